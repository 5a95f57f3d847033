// OpenAPI: `GET /openapi.json`. Written by hand; a test compares its paths and methods with the routes.

enum OpenAPI {
    @Sendable static func serve(_ context: HTTPContext) throws {
        Array(document.utf8).withUnsafeBytes { context.exchange.respond(200, contentType: "application/json", bytes: $0) }
    }

    static let document = #"""
        {
          "openapi": "3.1.0",
          "info": {
            "title": "Millrace",
            "version": "1",
            "description": "A streaming SQL engine: statements, rows in and out of streams, figures. Errors are {\"error\":{\"code\",\"message\",...}} with PostgreSQL's SQLSTATE as code."
          },
          "paths": {
            "/": {"get": {"summary": "The web console", "responses": {"200": {"description": "A page", "content": {"text/html": {}}}}}},
            "/openapi.json": {"get": {"summary": "This description", "responses": {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {}}}}}},
            "/healthz": {
              "get": {
                "summary": "Whether the server can do its work: the directory is open and every shard takes rows",
                "responses": {
                  "200": {"description": "It can", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}},
                  "503": {"description": "It cannot, with reasons", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Health"}}}}
                }
              }
            },
            "/metrics": {"get": {"summary": "Figures for Prometheus", "responses": {"200": {"description": "Text format 0.0.4", "content": {"text/plain": {}}}}}},
            "/v1/status": {"get": {"summary": "Streams and queries, as millrace status --json", "responses": {"200": {"description": "Status", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}}},
            "/v1/queries": {"get": {"summary": "All queries", "responses": {"200": {"description": "Queries", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}}},
            "/v1/queries/{name}": {
              "parameters": [{"$ref": "#/components/parameters/Name"}],
              "get": {"summary": "One query with its operators, sources, checkpoints and times", "responses": {"200": {"description": "The query", "content": {"application/json": {}}}, "404": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}
            },
            "/v1/streams": {"get": {"summary": "All streams, tables and views with their columns", "responses": {"200": {"description": "Relations", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}}},
            "/v1/streams/{name}": {
              "parameters": [{"$ref": "#/components/parameters/Name"}],
              "get": {
                "summary": "The rows of a stream as they stand in the log, shard by shard",
                "parameters": [
                  {"name": "from", "in": "query", "description": "TRIM_HORIZON, LATEST, a sequence number (of every shard) or a time; TRIM_HORIZON by itself, LATEST when following", "schema": {"type": "string"}},
                  {"name": "follow", "in": "query", "description": "Go on with rows as they come", "schema": {"type": "boolean", "default": false}},
                  {"name": "limit", "in": "query", "description": "At most so many rows", "schema": {"type": "integer", "minimum": 0}},
                  {"name": "Last-Event-ID", "in": "header", "description": "Go on behind these rows: shard:sequence, several separated by commas", "schema": {"type": "string"}}
                ],
                "responses": {
                  "200": {"description": "Rows; server-sent events follow by themselves", "content": {"application/x-ndjson": {}, "text/csv": {}, "text/event-stream": {}}},
                  "404": {"$ref": "#/components/responses/Error"},
                  "default": {"$ref": "#/components/responses/Error"}
                }
              },
              "post": {
                "summary": "Append rows; answered when they are as durable as the stream promises",
                "parameters": [
                  {"name": "outcome", "in": "query", "description": "summary: counts and the first reasons; rows: a line for each record, then the summary", "schema": {"type": "string", "enum": ["summary", "rows"], "default": "summary"}}
                ],
                "requestBody": {"required": true, "content": {"application/x-ndjson": {}, "text/csv": {}}},
                "responses": {
                  "200": {"description": "What has become of the rows. Those that could not be decoded are in the error stream", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Appended"}}, "application/x-ndjson": {}}},
                  "404": {"$ref": "#/components/responses/Error"},
                  "507": {"$ref": "#/components/responses/Error"},
                  "default": {"$ref": "#/components/responses/Error"}
                }
              }
            },
            "/v1/alerts": {"get": {"summary": "What fires, what waits, what has been resolved lately; the silences that hold, or would if they could be understood; how notifiers are doing", "responses": {"200": {"description": "Alerts", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}}},
            "/v1/silences": {
              "get": {"summary": "All silences, the newest first: active, ended, or invalid, with what is wrong as fault", "responses": {"200": {"description": "Silences", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}},
              "post": {
                "summary": "Keep alerts quiet for a while; as SILENCE",
                "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["seconds"], "properties": {"alert": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}}, "seconds": {"type": "integer", "minimum": 1}, "comment": {"type": "string"}}}}}},
                "responses": {"201": {"description": "The number of the silence, when it ends, and how many alerts it keeps quiet now", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}
              }
            },
            "/v1/silences/{name}": {
              "parameters": [{"$ref": "#/components/parameters/Name"}],
              "delete": {"summary": "End a silence; as UNSILENCE", "responses": {"200": {"description": "It has ended", "content": {"application/json": {}}}, "404": {"$ref": "#/components/responses/Error"}, "default": {"$ref": "#/components/responses/Error"}}}
            },
            "/v1/acknowledgements": {
              "post": {
                "summary": "Somebody looks at alerts that fire; as ACKNOWLEDGE",
                "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "properties": {"alert": {"type": "string"}, "instance": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}}, "comment": {"type": "string"}}}}}},
                "responses": {"201": {"description": "How many", "content": {"application/json": {}}}, "default": {"$ref": "#/components/responses/Error"}}
              }
            },
            "/v1/sql": {
              "post": {
                "summary": "Execute statements, one after the other; rows come as they are there",
                "parameters": [
                  {"name": "rows", "in": "query", "description": "objects: a row is an object; arrays: a row is an array, and {\"columns\":[...]} comes before the first", "schema": {"type": "string", "enum": ["objects", "arrays"], "default": "objects"}}
                ],
                "requestBody": {
                  "required": true,
                  "content": {
                    "text/plain": {"schema": {"type": "string"}},
                    "application/json": {"schema": {"type": "object", "required": ["sql"], "properties": {"sql": {"type": "string"}, "parameters": {"type": "array", "description": "Values of $1, $2, ... of the one statement", "items": {"type": ["string", "number", "boolean", "null"]}}}}}
                  }
                },
                "responses": {
                  "200": {"description": "Lines: rows; {\"notice\"}; {\"done\":{\"tag\",\"rows\"}} after each statement; {\"error\"} when one fails behind the first output", "content": {"application/x-ndjson": {}, "text/csv": {}}},
                  "400": {"$ref": "#/components/responses/Error"},
                  "default": {"$ref": "#/components/responses/Error"}
                }
              }
            }
          },
          "components": {
            "parameters": {"Name": {"name": "name", "in": "path", "required": true, "schema": {"type": "string"}}},
            "responses": {"Error": {"description": "What went wrong", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}},
            "schemas": {
              "Error": {
                "type": "object", "required": ["error"],
                "properties": {
                  "error": {
                    "type": "object", "required": ["code", "message"],
                    "properties": {
                      "code": {"type": "string", "description": "SQLSTATE"},
                      "message": {"type": "string"},
                      "line": {"type": "integer"},
                      "column": {"type": "integer"},
                      "hint": {"type": "string"},
                      "text": {"type": "string", "description": "For people: the line with a caret under the place"}
                    }
                  }
                }
              },
              "Health": {"type": "object", "required": ["status"], "properties": {"status": {"enum": ["ok", "failing"]}, "reasons": {"type": "array", "items": {"type": "string"}}}},
              "Appended": {
                "type": "object", "required": ["rows", "rejected", "bytes"],
                "properties": {
                  "rows": {"type": "integer"}, "rejected": {"type": "integer"}, "bytes": {"type": "integer"},
                  "reasons": {"type": "array", "items": {"type": "string"}}, "rejected_rows_in": {"type": "string"}
                }
              }
            },
            "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}, "bearer": {"type": "http", "scheme": "bearer"}}
          }
        }

        """#
}
