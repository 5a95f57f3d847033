// ShardLog
