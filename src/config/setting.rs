//! The table of settings: the sample file, the variables, the flags and the checks all read it.

/// One setting of a node.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in `node.toml`; the flag is `--` and the name with hyphens.
    pub name: &'static str,
    /// The variable that overrides the file.
    pub variable: &'static str,
    /// What it means, a line each.
    pub meaning: &'static [&'static str],
    /// The values that it takes.
    pub allowed: &'static str,
    /// The value when it is not set; `None` if it must be set.
    pub default: Option<&'static str>,
    /// A value for the sample file.
    pub sample: &'static str,
    /// How `node.toml` writes it.
    pub form: Form,
}

/// The TOML type of a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A whole number.
    Number,
    /// A string.
    Text,
}

/// Every setting, in the order of the sample file.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "node_id",
        variable: "GRANTD_NODE_ID",
        meaning: &[
            "The number of this node in its cluster. Unique, and never given to another node again:",
            "a node that lost its data folder joins under a new number.",
        ],
        allowed: "a whole number from 1 to 9223372036854775807",
        default: None,
        sample: "1",
        form: Form::Number,
    },
    Setting {
        name: "listen",
        variable: "GRANTD_LISTEN",
        meaning: &[
            "Where this node listens, for clients and for the other nodes alike.",
            "Without TLS, which a later version brings, only a loopback address is accepted.",
        ],
        allowed: "`ADDRESS:PORT` with a loopback address (127.0.0.0/8, [::1] or localhost)",
        default: Some("127.0.0.1:7400"),
        sample: "127.0.0.1:7400",
        form: Form::Text,
    },
    Setting {
        name: "advertise",
        variable: "GRANTD_ADVERTISE",
        meaning: &[
            "Where the other nodes and the clients reach this node. Not set: the address of `listen`.",
        ],
        allowed: "`ADDRESS:PORT` with a loopback address and a port other than 0",
        default: Some(""),
        sample: "127.0.0.1:7400",
        form: Form::Text,
    },
    Setting {
        name: "data_dir",
        variable: "GRANTD_DATA_DIR",
        meaning: &[
            "The folder of this node's log, snapshots and node state. Made at the first start. One node, one folder.",
            "A node whose folder came back empty or damaged refuses to start: it has to join again under a new number.",
        ],
        allowed: "a path; a relative one begins at the working directory",
        default: None,
        sample: "grantd-data/node-1",
        form: Form::Text,
    },
    Setting {
        name: "seal_key_file",
        variable: "GRANTD_SEAL_KEY_FILE",
        meaning: &[
            "The file with the key that seals the cluster's secrets at rest: the same key on every node, readable by",
            "the node alone. `grantd cluster keygen FILE` makes one.",
        ],
        allowed: "a path to a file of 64 hexadecimal digits",
        default: None,
        sample: "grantd-data/seal.key",
        form: Form::Text,
    },
    Setting {
        name: "client_connections",
        variable: "GRANTD_CLIENT_CONNECTIONS",
        meaning: &[
            "The most connections of clients at once; an idle one takes about 20 kB. Those of the other nodes are not",
            "counted and have room of their own. Where the limit of open files of the process is too low for so many,",
            "it counts, and a line at the start says so.",
        ],
        allowed: "a whole number from 8 to 1000000",
        default: Some("4096"),
        sample: "4096",
        form: Form::Number,
    },
    Setting {
        name: "log_level",
        variable: "GRANTD_LOG_LEVEL",
        meaning: &["The least severe log lines that are written, to standard error."],
        allowed: "`off`, `error`, `warn`, `info`, `debug` or `trace`",
        default: Some("info"),
        sample: "info",
        form: Form::Text,
    },
    Setting {
        name: "log_format",
        variable: "GRANTD_LOG_FORMAT",
        meaning: &[
            "The form of the log lines: `text` for people, `json` for one JSON object a line.",
        ],
        allowed: "`text` or `json`",
        default: Some("text"),
        sample: "text",
        form: Form::Text,
    },
    Setting {
        name: "audit",
        variable: "GRANTD_AUDIT",
        meaning: &[
            "Where the audit trail goes, one JSON object a line for each decision and each change: standard output, which",
            "nothing else is written to, so that whatever keeps the output of services keeps it by itself; or a file,",
            "rotated by its size. docs/audit.md says what the lines hold.",
        ],
        allowed: "`stdout`, `stderr`, `off`, or the path of a file, with a `/` in it",
        default: Some("stdout"),
        sample: "stdout",
        form: Form::Text,
    },
    Setting {
        name: "audit_when_full",
        variable: "GRANTD_AUDIT_WHEN_FULL",
        meaning: &[
            "What to do when the audit trail cannot be written, or nobody reads it, and no more lines can wait: `drop` loses",
            "lines, and says how many in their place and in the log; `refuse` refuses decisions and changes at this node",
            "until it can be written again.",
        ],
        allowed: "`drop` or `refuse`",
        default: Some("drop"),
        sample: "drop",
        form: Form::Text,
    },
    Setting {
        name: "audit_file_bytes",
        variable: "GRANTD_AUDIT_FILE_BYTES",
        meaning: &["The size at which an audit file is closed and a new one begun."],
        allowed: "a whole number from 4096 to 1099511627776",
        default: Some("104857600"),
        sample: "104857600",
        form: Form::Number,
    },
    Setting {
        name: "audit_files_kept",
        variable: "GRANTD_AUDIT_FILES_KEPT",
        meaning: &[
            "How many older audit files are kept beside the one that is written: `NAME.1` is the newest of them.",
        ],
        allowed: "a whole number from 1 to 1000",
        default: Some("10"),
        sample: "10",
        form: Form::Number,
    },
];
