//! A diagnosis as JSON.

use serde_json::{Value, json};

use super::{Diagnosis, Finding, LeftOut};

/// The name and version of the JSON form of a diagnosis.
/// `schema/parshall.diagnosis.1.schema.json` describes it.
pub const DIAGNOSIS_SCHEMA: &str = "parshall.diagnosis/1";

impl Diagnosis {
    /// The diagnosis as JSON, of schema [`DIAGNOSIS_SCHEMA`]. Names are as in [`ChannelRef`] and
    /// [`Party`](super::Party), ids too; `text` is [`Finding::text`], where they are shorter.
    ///
    /// [`ChannelRef`]: super::ChannelRef
    ///
    /// # Examples
    /// ```no_run
    /// let diagnosis = parshall::diagnose();
    /// println!("{:#}", diagnosis.to_json());
    /// ```
    pub fn to_json(&self) -> Value {
        let findings: Vec<_> = self.findings.iter().map(Finding::to_json).collect();
        let left_out: Vec<_> = self.left_out.iter().map(|left| left.to_json()).collect();
        let blind = &self.blind;
        json!({
            "schema": DIAGNOSIS_SCHEMA,
            "process": self.process,
            "pid": self.pid,
            "first_look_ns": self.first_look_ns,
            "second_look_ns": self.second_look_ns,
            "findings": findings,
            "left_out": left_out,
            "blind": {
                "waits": blind.waits,
                "unknown_waits": blind.unknown_waits,
                "uncertain_waits": blind.uncertain_waits,
                "nameless_tasks": blind.nameless_tasks,
                "untracked": blind.untracked,
            },
        })
    }
}

impl Finding {
    fn to_json(&self) -> Value {
        let named = |id: &String, name: &String| json!({ "id": id, "name": name });
        let channels: Vec<_> = self.channels.iter().map(|c| named(&c.id, &c.name)).collect();
        let tasks: Vec<_> = self.tasks.iter().map(|task| named(&task.id, &task.name)).collect();
        json!({
            "kind": self.kind.as_str(),
            "verdict": self.verdict.as_str(),
            "since_ns": self.since_ns,
            "since_known": self.since_known,
            "age_ms": self.seen_ns.saturating_sub(self.since_ns).max(0) / 1_000_000,
            "channels": channels,
            "tasks": tasks,
            "more_channels": self.more_channels,
            "more_tasks": self.more_tasks,
            "victims": self.victims,
            "assumption": self.assumption,
            "text": self.text(),
        })
    }
}

impl LeftOut {
    fn to_json(self) -> Value {
        json!({
            "kind": self.kind.as_str(),
            "verdict": self.verdict.as_str(),
            "findings": self.findings,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::samples::{diagnosis, each_kind};
    use super::*;

    fn file(name: &str) -> Value {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema").join(name);
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The example is what the schema is tested with, in `crates/parshall-gauge/tests/schema.rs`.
    #[test]
    fn the_example_of_the_schema_is_a_diagnosis_of_every_kind() {
        let json = diagnosis(each_kind()).to_json();
        assert_eq!(json, file("parshall.diagnosis.1.example.json"), "{json:#}");
    }

    /// Seen to fail with: a verdict left out of the schema.
    #[test]
    fn the_schema_knows_every_kind_and_verdict_and_no_other() {
        let schema = file("parshall.diagnosis.1.schema.json");
        assert_eq!(schema["properties"]["schema"]["const"], DIAGNOSIS_SCHEMA);
        let finding = &schema["$defs"]["finding"]["properties"];
        let samples = each_kind();
        for (property, said) in [
            ("kind", samples.iter().map(|f| f.kind.as_str()).collect::<Vec<_>>()),
            ("verdict", samples.iter().map(|f| f.verdict.as_str()).collect()),
        ] {
            let known = finding[property]["enum"].as_array().unwrap();
            let known: Vec<_> = known.iter().map(|value| value.as_str().unwrap()).collect();
            assert!(known.iter().all(|known| said.contains(known)), "{known:?}");
            assert!(said.iter().all(|said| known.contains(said)), "{said:?}");
        }
    }
}
