//! The check of all settings at once.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::setting::{SETTINGS, Setting};
use super::source::{Origin, Raw};
use super::{AuditSettings, AuditTo, AuditWhenFull, Config, LogFormat};

/// The longest part of a refused value that an error repeats.
const ECHO_MAX: usize = 128;

/// Least size of an audit file: some lines; and most: more is no file that anybody reads.
const AUDIT_FILE_BYTES_MIN: u64 = 4_096;
const AUDIT_FILE_BYTES_MAX: u64 = 1 << 40;

/// Most older audit files: each rotation renames all of them.
const AUDIT_FILES_KEPT_MAX: u64 = 1_000;

/// One thing wrong with the settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where it stands.
    pub origin: Origin,
    /// The setting, if it is about a known one.
    pub setting: Option<&'static str>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(setting) = self.setting {
            write!(f, "setting `{setting}`: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

/// Everything wrong with the settings; never empty.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

/// A line each.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// Checks every setting; `faults` are those that reading has found. Of a file that could not be read nobody knows what it
/// lacks.
pub(super) fn check(
    raw: &BTreeMap<&'static str, Raw>,
    file: Option<&Path>,
    is_read: bool,
    faults: Vec<Fault>,
) -> Result<Config, Faults> {
    let mut checker = Checker {
        raw,
        file,
        is_read,
        faults,
    };
    let node_id = checker.take("node_id", |text| {
        text.parse::<u64>()
            .ok()
            .filter(|id| (1..=i64::MAX.unsigned_abs()).contains(id))
            .ok_or(Refused::Value)
    });
    let listen = checker.take("listen", |text| loopback(text).map(|()| text.to_owned()));
    let advertise = checker.take("advertise", |text| match text {
        "" => Ok(None),
        text if text.ends_with(":0") => Err(Refused::Value),
        text => loopback(text).map(|()| Some(text.to_owned())),
    });
    let data_dir = checker.take("data_dir", path);
    let seal_key_file = checker.take("seal_key_file", path);
    let client_connections = checker.take("client_connections", |text| {
        text.parse::<usize>()
            .ok()
            .filter(|count| (8..=1_000_000).contains(count))
            .ok_or(Refused::Value)
    });
    let log_level = checker.take("log_level", |text| match text {
        "off" | "error" | "warn" | "info" | "debug" | "trace" => Ok(text.to_owned()),
        _ => Err(Refused::Value),
    });
    let log_format = checker.take("log_format", |text| match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Refused::Value),
    });
    let audit = checker.take("audit", |text| match text {
        "stdout" => Ok(AuditTo::Stdout),
        "stderr" => Ok(AuditTo::Stderr),
        "off" => Ok(AuditTo::Off),
        // So that a misspelt word is no file.
        text if text.contains('/') => path(text).map(AuditTo::File),
        _ => Err(Refused::Value),
    });
    let audit_when_full = checker.take("audit_when_full", |text| match text {
        "drop" => Ok(AuditWhenFull::Drop),
        "refuse" => Ok(AuditWhenFull::Refuse),
        _ => Err(Refused::Value),
    });
    let audit_file_bytes = checker.take("audit_file_bytes", |text| {
        within(text, AUDIT_FILE_BYTES_MIN, AUDIT_FILE_BYTES_MAX)
    });
    let audit_files_kept = checker.take("audit_files_kept", |text| {
        let kept = within(text, 1, AUDIT_FILES_KEPT_MAX)?;
        u32::try_from(kept).map_err(|_| Refused::Value)
    });
    let audit = match (audit, audit_when_full, audit_file_bytes, audit_files_kept) {
        (Some(to), Some(when_full), Some(file_bytes), Some(files_kept)) => Some(AuditSettings {
            to,
            when_full,
            file_bytes,
            files_kept,
        }),
        _ => None,
    };
    match (
        node_id,
        listen,
        advertise,
        data_dir,
        seal_key_file,
        client_connections,
        log_level,
        log_format,
        audit,
    ) {
        (
            Some(node_id),
            Some(listen),
            Some(advertise),
            Some(data_dir),
            Some(seal_key_file),
            Some(client_connections),
            Some(log_level),
            Some(log_format),
            Some(audit),
        ) if checker.faults.is_empty() => Ok(Config {
            node_id,
            advertise: advertise.unwrap_or_else(|| listen.clone()),
            listen,
            data_dir,
            seal_key_file,
            client_connections,
            log_level,
            log_format,
            audit,
        }),
        _ => Err(Faults(checker.faults)),
    }
}

/// Why a value is refused.
enum Refused {
    /// It is none of the allowed ones.
    Value,
    /// It is an address that needs TLS.
    NeedsTls,
}

struct Checker<'a> {
    raw: &'a BTreeMap<&'static str, Raw>,
    file: Option<&'a Path>,
    is_read: bool,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    /// The checked value of a setting, or `None` after noting what is wrong with it.
    fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Option<T> {
        let setting = SETTINGS.iter().find(|s| s.name == name)?;
        let (text, origin) = match (self.raw.get(name), setting.default) {
            (Some(raw), _) => (raw.text.as_str(), raw.origin.clone()),
            (None, Some(default)) => (default, Origin::Nowhere),
            (None, None) => {
                // A value of the wrong type was reported where it was read; it is not missing too.
                if self.is_read && !self.faults.iter().any(|f| f.setting == Some(name)) {
                    let origin = match self.file {
                        Some(file) => Origin::WholeFile(file.to_owned()),
                        None => Origin::Nowhere,
                    };
                    self.note(setting, origin, "must be set".to_owned());
                }
                return None;
            }
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(refused) => {
                let got: String = text.chars().take(ECHO_MAX).collect();
                let got = got.escape_debug();
                self.note(
                    setting,
                    origin,
                    match refused {
                        Refused::Value => format!("got `{got}`"),
                        Refused::NeedsTls => format!(
                            "got `{got}`, which is not a loopback address; that needs TLS, which this version does not have"
                        ),
                    },
                );
                None
            }
        }
    }

    fn note(&mut self, setting: &Setting, origin: Origin, what: String) {
        self.faults.push(Fault {
            origin,
            setting: Some(setting.name),
            message: format!("{what}; allowed: {}", setting.allowed),
            help: None,
        });
    }
}

fn within(text: &str, least: u64, most: u64) -> Result<u64, Refused> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or(Refused::Value)
}

fn path(text: &str) -> Result<PathBuf, Refused> {
    if text.is_empty() || text.contains('\0') {
        return Err(Refused::Value);
    }
    Ok(PathBuf::from(text))
}

/// `host:port` whose host can only mean this machine. Another name than `localhost` is not looked up: what it means
/// may change after the check.
fn loopback(text: &str) -> Result<(), Refused> {
    let (host, port) = text.rsplit_once(':').ok_or(Refused::Value)?;
    if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) || port.parse::<u16>().is_err()
    {
        return Err(Refused::Value);
    }
    if host.is_empty() {
        return Err(Refused::Value);
    }
    if host == "localhost" {
        return Ok(());
    }
    let bare = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').ok_or(Refused::Value)?,
        None if host.contains(':') => return Err(Refused::Value),
        None => host,
    };
    match bare.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => Ok(()),
        Ok(_) => Err(Refused::NeedsTls),
        Err(_)
            if bare
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') =>
        {
            Err(Refused::NeedsTls)
        }
        Err(_) => Err(Refused::Value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::{Overrides, load};
    use super::*;

    fn of(text: &str) -> Result<Config, Faults> {
        of_with(text, &Overrides::default())
    }

    fn of_with(text: &str, overrides: &Overrides) -> Result<Config, Faults> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        load(Some(&path), overrides).map_err(|mut faults| {
            for fault in &mut faults.0 {
                match &mut fault.origin {
                    Origin::File(path, _) | Origin::WholeFile(path) => {
                        *path = PathBuf::from("node.toml");
                    }
                    Origin::Variable(_) | Origin::Flag(_) | Origin::Nowhere => {}
                }
            }
            faults
        })
    }

    const NEEDED: &str = "node_id = 1\ndata_dir = \"d\"\nseal_key_file = \"k\"\n";

    #[test]
    fn sample_is_accepted_as_it_stands_and_with_every_line_switched_on() {
        let sample = super::super::sample();
        let config = of(&sample).unwrap();
        let all_on: String = sample
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if SETTINGS
                        .iter()
                        .any(|s| rest.starts_with(&format!("{} = ", s.name))) =>
                {
                    rest
                }
                _ => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        assert_eq!(
            all_on
                .lines()
                .filter(|l| !l.starts_with('#') && !l.is_empty())
                .count(),
            SETTINGS.len()
        );
        assert_eq!(of(&all_on).unwrap(), config);
    }

    #[test]
    fn documented_sample_is_the_printed_one() {
        let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/node.toml"))
            .unwrap();
        assert_eq!(
            text,
            super::super::sample(),
            "write it anew: `cargo run -- config sample > docs/node.toml`"
        );
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let config = of(NEEDED).unwrap();
        assert_eq!(config.listen, "127.0.0.1:7400");
        assert_eq!(config.advertise, config.listen);
        assert_eq!(config.log_format, LogFormat::Text);
        assert_eq!(config.client_connections, 4_096);
        assert_eq!(config.audit, AuditSettings::default());
    }

    #[test]
    fn audit_file_is_a_path_with_its_rotation() {
        let config = of(&format!(
            "{NEEDED}audit = \"./stdout\"\naudit_when_full = \"refuse\"\naudit_file_bytes = 4096\naudit_files_kept = 1000\n"
        ))
        .unwrap();
        let want = AuditSettings {
            to: AuditTo::File("./stdout".into()),
            when_full: AuditWhenFull::Refuse,
            file_bytes: 4_096,
            files_kept: 1_000,
        };
        assert_eq!(config.audit, want);
    }

    #[test]
    fn flag_beats_variable_beats_file() {
        let text = format!("{NEEDED}listen = \"127.0.0.1:1\"\n");
        assert_eq!(of(&text).unwrap().listen, "127.0.0.1:1");
        let mut overrides = Overrides::new(BTreeMap::new(), |name| {
            (name == "GRANTD_LISTEN").then(|| "127.0.0.1:2".to_owned())
        });
        assert_eq!(of_with(&text, &overrides).unwrap().listen, "127.0.0.1:2");
        overrides.flags.insert("listen", "127.0.0.1:3".to_owned());
        assert_eq!(of_with(&text, &overrides).unwrap().listen, "127.0.0.1:3");
    }

    #[test]
    fn every_fault_is_reported_at_once_each_with_its_place() {
        let faults = of("node_id = 0\nlistne = \"x\"\nlisten = \"0.0.0.0:7400\"\nlog_format = 3\n")
            .unwrap_err();
        assert_eq!(
            faults.to_string().lines().collect::<Vec<_>>(),
            [
                "node.toml:2: unknown setting `listne` (did you mean `listen`?)",
                "node.toml:4: setting `log_format`: got a value of type integer, want a string in quotes; allowed: `text` or `json`",
                "node.toml:1: setting `node_id`: got `0`; allowed: a whole number from 1 to 9223372036854775807",
                "node.toml:3: setting `listen`: got `0.0.0.0:7400`, which is not a loopback address; that needs TLS, which this version does not have; allowed: `ADDRESS:PORT` with a loopback address (127.0.0.0/8, [::1] or localhost)",
                "node.toml: setting `data_dir`: must be set; allowed: a path; a relative one begins at the working directory",
                "node.toml: setting `seal_key_file`: must be set; allowed: a path to a file of 64 hexadecimal digits",
            ]
        );
    }

    #[test]
    fn wrong_value_is_refused_with_its_setting_and_the_allowed_values() {
        for (line, setting, part) in [
            ("node_id = \"1\"", "node_id", "type string"),
            ("node_id = 1.5", "node_id", "type float"),
            ("node_id = 0x10", "node_id", "type integer"),
            ("node_id = -1", "node_id", "got `-1`"),
            (
                "node_id = 9223372036854775808",
                "node_id",
                "got `9223372036854775808`",
            ),
            ("listen = \"127.0.0.1\"", "listen", "got `127.0.0.1`"),
            ("listen = \"127.0.0.1:70000\"", "listen", "got"),
            ("listen = \"127.0.0.1:+7\"", "listen", "got"),
            ("listen = \"::1:7400\"", "listen", "got"),
            ("listen = \"[::]:7400\"", "listen", "needs TLS"),
            ("listen = \"example.org:7400\"", "listen", "needs TLS"),
            ("listen = \"\"", "listen", "got ``"),
            (
                "advertise = \"127.0.0.1:0\"",
                "advertise",
                "port other than 0",
            ),
            ("advertise = \"10.0.0.1:7400\"", "advertise", "needs TLS"),
            ("data_dir = \"\"", "data_dir", "got ``"),
            ("data_dir = [\"a\"]", "data_dir", "type array"),
            ("seal_key_file = true", "seal_key_file", "type boolean"),
            ("client_connections = 7", "client_connections", "got `7`"),
            (
                "client_connections = 1000001",
                "client_connections",
                "from 8 to",
            ),
            (
                "client_connections = \"9\"",
                "client_connections",
                "type string",
            ),
            ("log_level = \"loud\"", "log_level", "`off`, `error`"),
            ("log_format = \"xml\"", "log_format", "`text` or `json`"),
            ("audit = \"stdot\"", "audit", "with a `/` in it"),
            ("audit = \"\"", "audit", "got ``"),
            (
                "audit_when_full = \"wait\"",
                "audit_when_full",
                "got `wait`",
            ),
            ("audit_file_bytes = 4095", "audit_file_bytes", "got `4095`"),
            (
                "audit_file_bytes = 1099511627777",
                "audit_file_bytes",
                "from 4096 to 1099511627776",
            ),
            ("audit_files_kept = 0", "audit_files_kept", "got `0`"),
            (
                "audit_files_kept = 1001",
                "audit_files_kept",
                "from 1 to 1000",
            ),
        ] {
            let others: String = NEEDED
                .lines()
                .filter(|l| !l.starts_with(setting))
                .flat_map(|l| [l, "\n"])
                .collect();
            let faults = of(&format!("{line}\n{others}")).unwrap_err();
            assert_eq!(faults.0.len(), 1, "{line}: {faults}");
            let text = faults.to_string();
            assert!(
                text.starts_with(&format!("node.toml:1: setting `{setting}`: ")),
                "{line}: {text}"
            );
            assert!(text.contains(part), "{line}: {text}");
            assert!(text.contains("allowed: "), "{line}: {text}");
        }
    }

    #[test]
    fn broken_toml_is_refused_with_its_line() {
        let faults = of("node_id = 1\nlisten = \n").unwrap_err();
        assert!(
            faults
                .to_string()
                .starts_with("node.toml:2: not valid TOML: "),
            "{faults}"
        );
        // L-9: nobody knows what a file lacks that cannot be read.
        assert_eq!(faults.0.len(), 1, "{faults}");
        let faults = of("node_id = 1\nnode_id = 2\n").unwrap_err();
        assert!(faults.to_string().contains("duplicate key"), "{faults}");
    }

    #[test]
    fn missing_file_is_named() {
        let faults =
            load(Some(Path::new("/nowhere/node.toml")), &Overrides::default()).unwrap_err();
        assert!(
            faults
                .to_string()
                .starts_with("/nowhere/node.toml: cannot read"),
            "{faults}"
        );
        assert_eq!(faults.0.len(), 1, "{faults}");
    }

    #[test]
    fn wrong_override_names_its_flag_or_variable() {
        let mut overrides = Overrides::default();
        overrides.variables.insert("listen", "x".to_owned());
        overrides.flags.insert("node_id", "x".to_owned());
        let text = of_with(NEEDED, &overrides).unwrap_err().to_string();
        assert!(
            text.contains("flag --node-id: setting `node_id`: got `x`"),
            "{text}"
        );
        assert!(
            text.contains("variable GRANTD_LISTEN: setting `listen`: got `x`"),
            "{text}"
        );
    }

    #[test]
    fn loopback_addresses_of_either_family_are_accepted() {
        for listen in [
            "127.0.0.1:7400",
            "127.8.9.1:0",
            "[::1]:7400",
            "localhost:80",
        ] {
            let config = of(&format!("{NEEDED}listen = \"{listen}\"\n")).unwrap();
            assert_eq!(config.listen, listen);
        }
    }
}
