//! An explanation as text for people: every line with the rule that it follows.

use std::fmt;

use super::{Change, Explanation, Finding, Line, Nearest, Section};
use crate::domain::authz::decision::Outcome;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.decision.outcome();
        let name = match outcome {
            Outcome::Allow => "ALLOW",
            Outcome::ExplicitDeny => "EXPLICIT DENY",
            Outcome::ImplicitDeny => "IMPLICIT DENY",
        };
        writeln!(f, "{name}: {}", self.decision)?;
        for (n, section) in self.sections.iter().enumerate() {
            write!(f, "{}. {section}", n + 1)?;
        }
        let other = if outcome == Outcome::Allow {
            "denied"
        } else {
            "allowed"
        };
        if self.nearest.is_empty() {
            return writeln!(
                f,
                "nearest miss: no change of a policy or a grant alone would have it {other}"
            );
        }
        writeln!(f, "nearest miss: it would be {other}")?;
        for (n, nearest) in self.nearest.iter().enumerate() {
            let or = if n == 0 { "if" } else { "or if" };
            writeln!(f, "   {or} {nearest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rules,
            title,
            says,
            lines,
            untold,
        } = self;
        if !rules.is_empty() {
            write!(f, "[{}] ", rules.join(", "))?;
        }
        writeln!(f, "{title}: {says}")?;
        for line in lines {
            write!(f, "{line}")?;
        }
        if *untold > 0 {
            writeln!(f, "   … and {untold} more")?;
        }
        Ok(())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.applies { '+' } else { '-' };
        write!(f, "   {mark} [{}] ", self.rule)?;
        if let Some(grant) = &self.grant {
            write!(f, "grant {grant}")?;
            if let Some(name) = &self.policy {
                write!(f, " `{name}`")?;
            }
        } else {
            let effect = if self.is_deny { "deny" } else { "allow" };
            write!(f, "{effect}")?;
            if let Some(statement) = self.statement {
                write!(f, " statement {statement}")?;
            }
            if let Some(sid) = &self.sid {
                write!(f, " `{sid}`")?;
            }
            write!(f, " of {}", self.source.as_str())?;
            if let Some(name) = &self.policy {
                write!(f, " `{name}`")?;
            }
        }
        writeln!(
            f,
            " {}",
            if self.applies {
                "applies"
            } else {
                "does not apply"
            }
        )?;
        for finding in &self.findings {
            writeln!(f, "       {finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rule,
            element,
            holds,
            wanted,
            found,
        } = self;
        let mark = if *holds { "holds" } else { "FAILS" };
        write!(
            f,
            "[{rule}] {element} {mark}: wants {wanted}, found {found}"
        )
    }
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Change { rule, text, .. }) in self.changes.iter().enumerate() {
            if n > 0 {
                f.write_str("; and if ")?;
            }
            write!(f, "{text} [{rule}]")?;
        }
        Ok(())
    }
}
