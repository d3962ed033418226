//! What `grantd test` prints: text for people, JSON and JUnit for machines; all say the same.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::read::Problem;
use super::run::{Difference, Ended};

/// One case and how it ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// The file that it stands in.
    pub file: String,
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// The rules that it shows.
    pub rules: Vec<String>,
    /// How it ended.
    pub ended: Ended,
    /// Policies of its world that a server would refuse to store: they are evaluated all the same.
    pub warnings: Vec<String>,
}

/// Everything that was run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Every case, in the order of the files.
    pub cases: Vec<Ran>,
    /// Files that could not be read.
    pub files: Vec<(String, Problem)>,
    /// Why every request is decided as it is, if that was asked for.
    pub explanations: Vec<String>,
}

impl Report {
    /// How many cases ended as expected.
    pub fn passed(&self) -> usize {
        let passed = |ran: &&Ran| matches!(ran.ended, Ended::Passed);
        self.cases.iter().filter(passed).count()
    }

    /// How many did not, those that could not be run included.
    pub fn failed(&self) -> usize {
        self.cases.len() - self.passed()
    }

    /// How many could not be run or read.
    pub fn broken(&self) -> usize {
        let broken = |ran: &&Ran| matches!(ran.ended, Ended::Broken(_));
        self.files.len() + self.cases.iter().filter(broken).count()
    }

    /// For people: every failure, then the count.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for explanation in &self.explanations {
            text.push_str(explanation);
            text.push('\n');
        }
        for (file, problem) in &self.files {
            let _ = writeln!(text, "ERROR {file}\n  {problem}\n");
        }
        for ran in &self.cases {
            tell(&mut text, ran);
        }
        if self.broken() > 0 {
            let _ = writeln!(text, "{} could not be run", self.broken());
        }
        let _ = writeln!(text, "{} passed, {} failed", self.passed(), self.failed());
        text
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let files = self.files.iter().map(
            |(file, problem)| json!({ "File": file, "Path": problem.path, "Error": problem.message }),
        );
        json!({
            "Passed": self.passed(),
            "Failed": self.failed(),
            "Errors": self.broken(),
            "Files": files.collect::<Vec<_>>(),
            "Explanations": self.explanations,
            "Cases": self.cases.iter().map(case_json).collect::<Vec<_>>(),
        })
    }

    /// The form that CI systems read.
    pub fn junit(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let total = self.cases.len() + self.files.len();
        let failures = self.failed() + self.files.len() - self.broken();
        let _ = writeln!(
            xml,
            "<testsuites><testsuite name=\"grantd test\" tests=\"{total}\" failures=\"{failures}\" errors=\"{}\">",
            self.broken()
        );
        for (file, problem) in &self.files {
            let _ = writeln!(
                xml,
                "<testcase classname=\"{0}\" name=\"{0}\"><error message=\"{1}\"/></testcase>",
                escape(file),
                escape(&problem.to_string())
            );
        }
        for ran in &self.cases {
            let _ = write!(
                xml,
                "<testcase classname=\"{}\" name=\"{}\">",
                escape(&ran.file),
                escape(&format!("{} {}", ran.id, ran.title))
            );
            match &ran.ended {
                Ended::Passed => {}
                Ended::Failed(difference) => {
                    let mut body = String::new();
                    tell(&mut body, ran);
                    let _ = write!(
                        xml,
                        "<failure message=\"{}\">{}</failure>",
                        escape(&difference.what),
                        escape(&body)
                    );
                }
                Ended::Broken(problem) => {
                    let message = escape(&problem.to_string());
                    let _ = write!(xml, "<error message=\"{message}\"/>");
                }
            }
            if !ran.warnings.is_empty() {
                let warnings = escape(&ran.warnings.join("\n"));
                let _ = write!(xml, "<system-out>{warnings}</system-out>");
            }
            xml.push_str("</testcase>\n");
        }
        xml.push_str("</testsuite></testsuites>\n");
        xml
    }
}

fn tell(text: &mut String, ran: &Ran) {
    let Ran {
        file,
        id,
        title,
        rules,
        ended,
        warnings,
    } = ran;
    for warning in warnings {
        let _ = writeln!(text, "WARNING {id} {title} ({file})\n  {warning}\n");
    }
    let rules = match rules.as_slice() {
        [] => String::new(),
        rules => format!(" [{}]", rules.join(", ")),
    };
    match ended {
        Ended::Passed => {}
        Ended::Broken(problem) => {
            let _ = writeln!(text, "ERROR {id} {title}{rules} ({file})\n  {problem}\n");
        }
        Ended::Failed(difference) => {
            let Difference {
                step,
                request,
                what,
                expected,
                got,
                explanation,
            } = &**difference;
            let step = step.map_or_else(String::new, |n| format!(", step {n}"));
            let _ = writeln!(text, "FAILED {id} {title}{rules} ({file}{step})");
            let _ = writeln!(text, "  request:  {request}");
            let _ = writeln!(text, "  expected: {expected}");
            let _ = writeln!(text, "  got:      {got}");
            let _ = writeln!(text, "  because:  {what}");
            for line in explanation.lines() {
                let _ = writeln!(text, "    {line}");
            }
            text.push('\n');
        }
    }
}

fn case_json(ran: &Ran) -> Value {
    let mut value = json!({
        "Id": ran.id,
        "Title": ran.title,
        "File": ran.file,
        "Rules": ran.rules,
    });
    if let (Value::Object(members), false) = (&mut value, ran.warnings.is_empty()) {
        members.insert("Warnings".to_owned(), json!(ran.warnings));
    }
    let more = match &ran.ended {
        Ended::Passed => json!({ "Outcome": "passed" }),
        Ended::Broken(problem) => json!({
            "Outcome": "error",
            "Path": problem.path,
            "Error": problem.message,
        }),
        Ended::Failed(difference) => json!({
            "Outcome": "failed",
            "Step": difference.step,
            "Request": difference.request,
            "Expected": difference.expected,
            "Got": difference.got,
            "Because": difference.what,
            "Explanation": difference.explanation,
        }),
    };
    if let (Value::Object(members), Value::Object(more)) = (&mut value, more) {
        members.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
    }
    value
}

/// Text as XML; characters that XML cannot hold become spaces.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(id: &str, ended: Ended) -> Ran {
        Ran {
            file: "f.json".into(),
            id: id.into(),
            title: "a <title>".into(),
            rules: vec!["D-1".into(), "P-20".into()],
            ended,
            warnings: Vec::new(),
        }
    }

    fn report() -> Report {
        let difference = Difference {
            step: Some(2),
            request: "bob kms:Decrypt on k".into(),
            what: "the decision is allow, not deny".into(),
            expected: "deny".into(),
            got: "allow by grant".into(),
            explanation: "first\nsecond".into(),
        };
        Report {
            cases: vec![
                ran("A-1", Ended::Passed),
                ran("A-2", Ended::Failed(Box::new(difference))),
                ran("A-3", Ended::Broken(Problem::at("cases[2].world", "wrong"))),
            ],
            files: vec![("g.json".into(), Problem::at("", "this is no JSON"))],
            explanations: Vec::new(),
        }
    }

    #[test]
    fn every_failure_is_told_and_the_count_comes_last() {
        let text = report().text();
        for part in [
            "FAILED A-2 a <title> [D-1, P-20] (f.json, step 2)",
            "  request:  bob kms:Decrypt on k",
            "  expected: deny",
            "  got:      allow by grant",
            "    second",
            "ERROR A-3",
            "cases[2].world: wrong",
            "ERROR g.json",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(text.ends_with("\n1 passed, 2 failed\n"), "{text}");
        assert!(!text.contains("A-1"), "{text}");
    }

    #[test]
    fn machine_forms_say_the_same() {
        let json = report().json();
        assert_eq!(json["Passed"], 1);
        assert_eq!(json["Failed"], 2);
        assert_eq!(json["Cases"][1]["Step"], 2);
        assert_eq!(json["Cases"][2]["Path"], "cases[2].world");
        let xml = report().junit();
        assert!(
            xml.contains("tests=\"4\" failures=\"1\" errors=\"2\""),
            "{xml}"
        );
        assert!(xml.contains("a &lt;title&gt;"), "{xml}");
    }
}
