-- Is this machine too busy, and for longer than a moment?
--
-- Fires when the processors have been busy for half a second, ends when they are calm again, and says how busy they were; in between it is
-- neither, so that a load on the edge does not flap. Reads `system` (feed.sql); what happens is in the stream `alerts`.
--
-- Sample input:     cpu 5, 60, 70 and 80, a quarter of a second apart     Expected output:  alert        | to_state | severity
--                                                                                           busy_machine | pending  | warning
--                                                                                           busy_machine | firing   | warning

CREATE ALERT IF NOT EXISTS busy_machine AS
SELECT cpu, load1, processes_running FROM system WHERE cpu >= 40
RESOLVE WHEN cpu < 30
KEY ()
FOR INTERVAL '0.5' SECOND
WITH (
    severity = 'warning',
    label.team = 'operations',
    annotation.summary = 'the processors are busy: {{ cpu }} %, {{ processes_running }} processes want to run'
);
