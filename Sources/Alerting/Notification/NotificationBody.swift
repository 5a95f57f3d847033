// NotificationBody: what a receiver is sent.
//
// A webhook, a command and a stream get one JSON object:
//
//     {"version":1,"notifier":"ops","status":"firing","key":"..","repeat":0,"group":{"team":"db"},"alerts":[
//       {"status":"firing","alert":"high_load","instance":"..","key":"..","transition":3,"from_state":"pending","to_state":"firing",
//        "starts_at":"..Z","ends_at":null,"severity":"critical","labels":{..},"annotations":{..},"keys":{..},"values":{..},"reason":"condition","cause":".."}]}
//
// An Alertmanager gets the array of its API v2. Of several transitions of an instance the last one counts, since it is told states. A firing alert is
// told with an end four repetitions away, as Prometheus does: should nobody repeat it, it ends by itself. Times of records may lie ahead of the clock,
// and an Alertmanager refuses an end before the beginning: both are kept from passing now.

import Engine

enum NotificationBody {
    static func json(_ batch: NotifierState.Batch, _ definition: NotifierDefinition) -> String {
        if let template = definition.template, let item = batch.items.first { return template.render(item.transition) }
        var body = JSONBody()
        body.beginObject()
        body.name("version")
        body.number(1)
        body.member("notifier", definition.name)
        body.member("status", batch.items.contains { $0.transition.to == .firing } ? "firing" : "resolved")
        body.member("key", batch.key)
        body.name("repeat")
        body.number(batch.repetition)
        body.name("group")
        let labels = batch.items.first?.transition.labelSet ?? [:]
        body.object((definition.groupBy ?? []).map { AlertTransition.Entry($0, labels[$0] ?? "") })
        body.name("alerts")
        body.beginArray()
        for item in batch.items { append(item, to: &body) }
        body.endArray()
        body.endObject()
        return body.text
    }

    private static func append(_ item: NotifierState.Item, to body: inout JSONBody) {
        let transition = item.transition
        let isFiring = transition.to == .firing
        body.beginObject()
        body.member("status", isFiring ? "firing" : "resolved")
        body.member("alert", transition.alert)
        body.member("instance", transition.fingerprint)
        body.member("key", transition.key)
        body.name("transition")
        body.number(transition.number)
        body.member("from_state", transition.from.rawValue)
        body.member("to_state", transition.to.rawValue)
        body.member("starts_at", AlertTransition.text(item.startedMicroseconds))
        body.name("ends_at")
        if isFiring { body.raw("null") } else { body.string(AlertTransition.text(transition.eventMicroseconds)) }
        body.member("severity", transition.severity)
        body.name("labels")
        body.object(transition.labelSet)
        body.name("annotations")
        body.object(transition.annotations)
        body.name("keys")
        body.object(transition.keys)
        body.name("values")
        body.object(transition.values)
        body.member("reason", transition.reason)
        body.member("cause", transition.cause)
        body.endObject()
    }

    /// Lines of JSON with the columns of the stream `alerts`.
    static func lines(_ batch: NotifierState.Batch) -> String {
        batch.items.map { item in
            let transition = item.transition
            var body = JSONBody()
            body.beginObject()
            body.member("alert", transition.alert)
            body.member("instance", transition.fingerprint)
            body.name("keys")
            body.object(transition.keys)
            body.name("transition")
            body.number(transition.number)
            body.member("from_state", transition.from.rawValue)
            body.member("to_state", transition.to.rawValue)
            body.member("event_time", AlertTransition.text(transition.eventMicroseconds))
            body.member("processed_at", AlertTransition.text(transition.processedMicroseconds))
            body.member("severity", transition.severity)
            for (name, entries) in [("labels", transition.labels), ("annotations", transition.annotations), ("values", transition.values)] {
                body.name(name)
                body.object(entries)
            }
            body.member("cause", transition.cause)
            body.member("reason", transition.reason)
            body.member("key", transition.key)
            body.endObject()
            return body.text + "\n"
        }.joined()
    }

    static func alertmanager(_ batch: NotifierState.Batch, _ definition: NotifierDefinition, at now: Int64) -> String {
        var body = JSONBody()
        body.beginArray()
        for (index, item) in batch.items.enumerated() {
            let transition = item.transition
            if batch.items[(index + 1)...].contains(where: { $0.transition.instance == transition.instance }) { continue }
            let start = min(item.startedMicroseconds, now)
            let horizon = definition.repeatMicroseconds.multipliedReportingOverflow(by: 4)
            let end = transition.to == .firing ? now &+ (horizon.overflow ? 86_400_000_000 : horizon.partialValue) : max(start, min(transition.eventMicroseconds, now))
            body.beginObject()
            body.name("labels")
            body.object(labels(transition))
            body.name("annotations")
            var annotations = transition.annotations
            if !transition.key.isEmpty { annotations.append(AlertTransition.Entry("idempotency_key", transition.key)) }
            body.object(annotations)
            body.member("startsAt", AlertTransition.text(start))
            body.member("endsAt", AlertTransition.text(end))
            body.member("generatorURL", definition.generatorURL)
            body.endObject()
        }
        body.endArray()
        return body.text
    }

    /// Names that Prometheus takes (other characters become `_`), without empty values, which mean that there is no such label.
    private static func labels(_ transition: AlertTransition) -> [String: String] {
        var labels: [String: String] = [:]
        for (name, value) in transition.labelSet.sorted(by: { $0.key < $1.key }) where !value.isEmpty {
            var written = ""
            for (index, scalar) in name.unicodeScalars.enumerated() {
                let isLetter = scalar == "_" || ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
                written += isLetter || (index > 0 && ("0"..."9").contains(scalar)) ? String(scalar) : "_"
            }
            labels[written] = value
        }
        return labels
    }
}
