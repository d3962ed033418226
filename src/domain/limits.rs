//! Every bound of the system in one place, each with its reason. Sizes are bytes unless a name says otherwise.

/// Longest part of a refused text that an error repeats: enough to recognise it, too little to flood a log.
pub const ECHO_MAX: usize = 256;

/// Longest Region name. The longest of AWS has 17 characters; the rest is room.
pub const REGION_MAX: usize = 64;

/// Regions that a cluster can be told to serve: those of the largest partition, with room for new ones.
pub const REGIONS_MAX: usize = 64;

/// Longest ARN of any service, as in the IAM model (`arnType`).
pub const ARN_MAX: usize = 2_048;

/// Longest `KeyId` that a caller may send (G-15).
pub const KEY_REF_MAX: usize = 2_048;

/// Longest alias name, `alias/` included (ID-5).
pub const ALIAS_NAME_MAX: usize = 256;

/// Longest grant id accepted on input (ID-11); ours have 64.
pub const GRANT_ID_TEXT_MAX: usize = 128;

/// Longest principal ARN we hold: 37 of frame, 512 of IAM path, 64 of name, with room for long partitions.
pub const PRINCIPAL_ARN_MAX: usize = 640;

/// Longest name of a user, role, session or federated user (IAM: 64).
pub const PRINCIPAL_NAME_MAX: usize = 64;

/// Longest principal that KMS takes as grantee or retiring principal (ID-14).
pub const PRINCIPAL_ID_MAX: usize = 256;

/// Longest immutable principal id (IAM `idType`).
pub const UNIQUE_ID_MAX: usize = 128;

/// Longest service principal (ID-16).
pub const SERVICE_PRINCIPAL_MAX: usize = 128;

/// Longest id of a custom key store (KMS `CustomKeyStoreIdType`).
pub const CUSTOM_KEY_STORE_ID_MAX: usize = 64;

/// Custom key stores of one account in one Region (K-10, W-5: AWS's quota).
pub const CUSTOM_KEY_STORES_MAX: usize = 10;

/// Longest name of a custom key store in characters (K-10).
pub const CUSTOM_KEY_STORE_NAME_CHARS_MAX: usize = 256;

/// Longest trust anchor certificate in characters (W-7).
pub const TRUST_ANCHOR_CHARS_MAX: usize = 5_000;

/// CloudHSM clusters of which the connector tells in one account and Region, and proxies with VPC endpoint services: ten
/// times the stores that they can be behind.
pub const KEY_STORE_BACKENDS_MAX: usize = 10 * CUSTOM_KEY_STORES_MAX;

/// External keys of which the connector tells in one account and Region: as many as the account can have keys there.
pub const EXTERNAL_KEYS_MAX: usize = KEYS_PER_ACCOUNT_MAX;

/// Backends that one report of the connector tells of or forgets: at some microseconds each, `apply` stands still for a
/// millisecond, and the longest report, with a certificate each, stays below [`STORED_RECORD_MAX`].
pub const KEY_STORE_REPORT_MAX: usize = 100;

/// Clusters that a cluster is said to share a backup with, and access keys that a proxy is said to take.
pub const BACKEND_NAMES_MAX: usize = 20;

/// Longest reason, in characters, that the connector gives for what is wrong with a backend: a sentence or two, which go
/// into the text of an error.
pub const BACKEND_FAULT_CHARS_MAX: usize = 500;

/// Shortest and longest password of the KMS user of a CloudHSM cluster (W-7 `KeyStorePasswordType`).
pub const KEY_STORE_PASSWORD: (usize, usize) = (7, 32);

/// Shortest and longest id of a CloudHSM cluster (W-7).
pub const CLOUD_HSM_CLUSTER_ID: (usize, usize) = (19, 24);

/// Shortest and longest id of a key in an external key manager (W-7).
pub const XKS_KEY_ID: (usize, usize) = (1, 128);

/// Shortest and longest address of an external key store proxy (W-7).
pub const XKS_PROXY_ENDPOINT: (usize, usize) = (10, 128);

/// Shortest and longest path of an external key store proxy (W-7).
pub const XKS_PROXY_PATH: (usize, usize) = (10, 128);

/// Shortest and longest name of the VPC endpoint service of a proxy (W-7).
pub const XKS_VPC_SERVICE: (usize, usize) = (20, 64);

/// Shortest and longest access key id of a proxy's credential (W-7).
pub const XKS_ACCESS_KEY_ID: (usize, usize) = (20, 30);

/// Shortest and longest secret access key of a proxy's credential (W-7).
pub const XKS_SECRET_ACCESS_KEY: (usize, usize) = (43, 64);

/// Longest sealed credential of a custom key store: 64 characters and the sealing's frame, with room for another cipher.
pub const SEALED_CREDENTIAL_MAX: usize = 256;

/// Longest key policy, in bytes (P-1).
pub const KEY_POLICY_MAX: usize = 32_768;

/// Longest identity policy, without white space: the sum of a role's inline policies (IAM quota).
pub const IDENTITY_POLICY_MAX: usize = 10_240;

/// Longest permissions boundary, without white space: a managed policy (IAM quota).
pub const BOUNDARY_POLICY_MAX: usize = 6_144;

/// Longest session policy in characters (STS: 2,048, of the plain text).
pub const SESSION_POLICY_MAX: usize = 2_048;

/// Longest service control policy in characters, all of which count (Organizations quota since May 2026).
pub const SERVICE_CONTROL_POLICY_MAX: usize = 10_240;

/// Longest resource control policy in characters, all of which count (Organizations quota).
pub const RESOURCE_CONTROL_POLICY_MAX: usize = 5_120;

/// Longest VPC endpoint policy in characters, white space included (VPC quota).
pub const VPC_ENDPOINT_POLICY_MAX: usize = 20_480;

/// Longest policy text of any kind, white space included, in bytes: bounds the work of reading (four times P-1).
pub const POLICY_TEXT_MAX: usize = 131_072;

/// Deepest nesting of a policy's JSON. A policy needs 6: document, statements, statement, condition, operator, values.
pub const POLICY_DEPTH_MAX: usize = 16;

/// Warnings told of one policy: a person mends a few at a time, and an answer must not grow with the policy.
pub const POLICY_WARNINGS_MAX: usize = 64;

/// Longest grant token (ID-12): 6,144 bytes as base64.
pub const GRANT_TOKEN_CHARS_MAX: usize = 8_192;

/// Grant tokens that one request may carry (ID-12).
pub const GRANT_TOKENS_MAX: usize = 10;

/// Longest name of a condition key in a request: the longest of AWS are `kms:EncryptionContext:` and a context key.
pub const CONTEXT_KEY_CHARS_MAX: usize = 512;

/// Longest value of a condition key in a request: an ARN, with room.
pub const CONTEXT_VALUE_CHARS_MAX: usize = 4_096;

/// Condition keys that a request may bring: far more than AWS defines for KMS.
pub const CONTEXT_KEYS_MAX: usize = 128;

/// Values of one multivalued condition key of a request.
pub const CONTEXT_VALUES_MAX: usize = 64;

/// Bytes of a whole encryption context, keys and values together, as in the KMS guide.
pub const ENCRYPTION_CONTEXT_BYTES_MAX: usize = 8_192;

/// Session tags of one session (STS: 50).
pub const SESSION_TAGS_MAX: usize = 50;

/// Tags in one request: as many as a key may have (E-1), and as many again, so that the refusal of too many tags is
/// `apply`'s to word.
pub const REQUEST_TAGS_MAX: usize = 100;

/// Operations that one CreateGrant may name: the closed list (G-6) has 19; duplicates carry no meaning (G-5).
pub const REQUEST_OPERATIONS_MAX: usize = 64;

/// Pairs of one constraint map as sent; how many a grant may hold is CreateGrant's own rule (G-24).
pub const REQUEST_CONSTRAINT_PAIRS_MAX: usize = 64;

/// Longest address of a node, `host:port`: a DNS name has 253 characters, a port five.
pub const ADDRESS_CHARS_MAX: usize = 260;

/// Questions of one BatchAuthorize: all are decided on one view, which must not be held for long; 1,000 take about a
/// millisecond.
pub const BATCH_QUESTIONS_MAX: usize = 1_000;

/// Violations that one ValidationException tells: an answer must not grow with what is wrong.
pub const VIOLATIONS_MAX: usize = 10;

/// Characters of a wrong value that a ValidationException repeats.
pub const VIOLATION_ECHO_CHARS_MAX: usize = 512;

/// Bytes of an error's message: it travels twice in HTTP/2 trailers, which clients cut at 16 KiB.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 3_072;

/// Bytes of one message of a client: a policy of 128 KiB characters of two bytes each, and room for the rest.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// How long a node works on a request that names no deadline, in milliseconds.
pub const REQUEST_DEADLINE_MS: u64 = 10_000;

/// The longest deadline a request may name, in milliseconds: what waits holds memory.
pub const REQUEST_DEADLINE_MS_MAX: u64 = 60_000;

/// Bytes of log entries read, and sent to a follower, at once: several largest entries, yet a fraction of a second on
/// a slow link. A request never exceeds it by more than one entry.
pub const LOG_READ_BYTES_MAX: usize = 1024 * 1024;

/// Most entries in one request to a follower: group commit of 256 callers goes in one.
pub const APPEND_ENTRIES_MAX: u64 = 256;

/// Largest message between nodes: `LOG_READ_BYTES_MAX`, one record of 1 MiB beyond it and 64 bytes of frame an entry
/// make 2.1 MiB; rounded up. A snapshot travels in chunks.
pub const PEER_MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One chunk of a snapshot on its way to a follower.
pub const SNAPSHOT_CHUNK_BYTES: usize = 1024 * 1024;

/// Largest snapshot taken from a peer: a hundred million records of 188 bytes; beyond it the state would not fit.
pub const SNAPSHOT_BYTES_MAX: u64 = 20_000_000_000;

/// Entries applied before they are published together: readers see at most this many late, and pay for one swap.
pub const APPLY_BATCH_MAX: usize = 256;

/// Bytes of entries applied before they are published together: they are held until the audit trail has been told.
pub const APPLY_BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Stored size of a change from which on applying it counts as long: a policy is parsed, and a long one takes milliseconds.
pub const APPLY_LONG_BYTES: usize = 4 * 1024;

/// Entries between two snapshots, at the least: some megabytes of log, which a start applies in a moment.
pub const SNAPSHOT_EVERY_ENTRIES: u64 = 5_000;

/// How large the log since the newest snapshot must be against it, in percent, before the next is taken. At 100 all
/// snapshots together write as much as the log does, however large the state is, and the log takes as much room as a
/// snapshot; more would write less and make a start longer.
pub const SNAPSHOT_GROWTH_PERCENT: u64 = 100;

/// How large the log since the newest snapshot may be, in bytes, whatever the size of the state: about 400,000 changes,
/// which a start reads and applies in some seconds. sled gives back little and purges slowly (900,000 entries: 8.9 s).
pub const LOG_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Bytes of the entries that are kept behind the newest snapshot: [`LOG_KEPT_ENTRIES`] of the usual size are a
/// hundredth of it; if they are larger than this, none are kept.
pub const LOG_KEPT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Entries kept behind the newest snapshot, so that a follower that was away for a moment needs no snapshot.
pub const LOG_KEPT_ENTRIES: u64 = 1_000;

/// How long a leader's state machine may stand still behind what is committed before it hands the lead over, in
/// milliseconds, at the least; half the bound of staleness if that is more. A machine that is very busy may give it no time
/// for some hundreds of milliseconds.
pub const STALL_HAND_OVER_MS_MIN: u64 = 1_000;

/// How long one that still leads may stand still before the node stops, in bounds of staleness: its own decisions have been
/// refused for long by then, and nobody can write.
pub const STALL_STOP_BOUNDS: u32 = 4;

/// The same in milliseconds, at the least: many elections.
pub const STALL_STOP_MS_MIN: u64 = 10_000;

/// Milliseconds between two lines of the log about a state machine that stands still.
pub const STALL_TOLD_EVERY_MS: u64 = 10_000;

/// How long a node that is to stop waits for the writes that it has proposed, before it hands the lead over, in
/// milliseconds: many times what a quorum's disks take, for a machine that is busy.
pub const QUIESCE_MS_MAX: u64 = 1_000;

/// How long a node that is to stop waits for somebody else to lead, in milliseconds: an election and more.
pub const HAND_OVER_MS_MAX: u64 = 2_000;

/// Revisions between two marks of the fingerprint of a node's facts. It is a sum that is kept anyway: a mark costs some
/// microseconds.
pub const FINGERPRINT_EVERY: u64 = 64;

/// Marks that a node keeps: four seconds at 4,000 writes a second, so that the slowest has them too; 80 bytes each.
pub const FINGERPRINT_MARKS_MAX: usize = 256;

/// Grants for each revision between two deep fingerprints. A grant costs about two microseconds, so a revision costs
/// thirty, on a thread aside.
pub const FINGERPRINT_DEEP_PART: u64 = 16;

/// Revisions between two deep fingerprints, at the least: a multiple of [`FINGERPRINT_EVERY`].
pub const FINGERPRINT_DEEP_EVERY_MIN: u64 = 256;

/// The same, at the most: then a large state is worked out every so often even if that takes minutes.
pub const FINGERPRINT_DEEP_EVERY_MAX: u64 = 1_048_576;

/// Deep fingerprints that a node keeps: at the fastest one in some milliseconds, at the slowest one in hours; a comparison
/// every five seconds meets some of them.
pub const FINGERPRINT_DEEP_MARKS_MAX: usize = 32;

/// Other members whose fingerprints a node asks for: more than enough for a majority.
pub const FINGERPRINT_PEERS_MAX: usize = 8;

/// How long a leader goes on sending heartbeats that no quorum answers, in milliseconds, before it falls silent in turns, so
/// that those who hear it and whom it does not hear can elect another. Many elections: a busy machine is not a lost quorum.
pub const QUORUM_LOST_MS: u64 = 3_000;

/// Entries purged in one step.
pub const PURGE_STEP_ENTRIES: u64 = 256;

/// Proposals that one node has in flight: beyond it a new one is refused without effect. 4,096 durable writes take
/// about two seconds on one disk; a longer queue would only time out.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 4_096;

/// (node, boot id) pairs that a leader remembers having given a read index: the members of a large cluster, each
/// restarted a few times within one bound.
pub const READERS_MAX: usize = 4_096;

/// Longest address of a peer: a DNS name of 253 characters, a colon and a port.
pub const PEER_ADDRESS_MAX: usize = 260;

/// Bytes of audit lines that wait to be written: some ten thousand lines, several seconds of a node under full load.
pub const AUDIT_QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Characters that an audit line holds of one text that somebody sent: as many as the longest key reference has.
pub const AUDIT_TEXT_CHARS_MAX: usize = KEY_REF_MAX;

/// Most members that a cluster may have. Raft is sane for a handful of voters; the rest are read replicas.
pub const MEMBERS_MAX: usize = 1_024;

/// Node ids that a cluster ever gives: an id is never given again, so all are kept, eight bytes each. A node replaced
/// every day fills it in 44 years; then no node is taken in any more, since to forget one could give it a second disk.
pub const NODE_IDS_MAX: usize = 16_384;

/// Changes of membership that one leader has in hand: one is made at a time, the others wait for a node to catch up or
/// for their turn.
pub const MEMBERSHIP_CHANGES_MAX: usize = 16;

/// Joins that one node has in hand: the same join asked for through several members, of which one may be gone.
pub const JOINS_MAX: usize = 4;

/// Commands of the system that a leader takes from one other member within a second. A report of uses holds
/// [`KEY_USAGE_REPORT_MAX`] keys, so a busy node sends tens; what is more waits, and then goes in fewer, larger ones.
pub const SYSTEM_COMMANDS_PER_S_MAX: u32 = 256;
/// Grants on a customer managed key, unless the settings say less (G-19: AWS's quota).
pub const GRANTS_PER_KEY_MAX: u32 = 50_000;

/// Uses that a grant may be given (EC-13): more is no budget, and a counter of 32 bits never comes near its end.
pub const GRANT_USES_MAX: u32 = 1_000_000_000;

/// Ancestors that a grant remembers (EC-12). A longer chain of delegation is found link by link; it is cut only where
/// this many links in a row have ended alone.
pub const GRANT_ANCESTORS_MAX: usize = 16;

/// Grants that one RevokeGrant may end with their ancestor (EC-12): at about 5 us each, `apply` stands still for 50 ms.
pub const REVOKE_TREE_MAX: usize = 10_000;

/// Expired grants that one entry takes out (EC-13): `apply` stands still for 5 ms, and the leader proposes the next.
pub const EXPIRE_PER_ENTRY: usize = 1_000;

/// Ids of one group of duplicate grants that a report shows beside the first: enough to act on, and a page of 1,000
/// groups stays below seven megabytes.
pub const DUPLICATES_SHOWN_MAX: usize = 100;

/// Grantees that the figures of a key's grants name.
pub const GRANTEES_SHOWN_MAX: usize = 100;

/// Keys of one account in one Region (W-5: AWS's quota).
pub const KEYS_PER_ACCOUNT_MAX: usize = 100_000;

/// Keys of whose use one report tells (EC-23): each is hashed with its policy, some microseconds, so `apply` stands still for
/// a few milliseconds; a cluster of 100,000 keys that are all used is told of within 400 entries an hour.
pub const KEY_USAGE_REPORT_MAX: usize = 256;

/// Most that the last use that the state knows of a key in use may lie behind, in milliseconds, before the next use is
/// reported: an hour, as AWS says of its own; less would write more than it tells.
pub const KEY_USAGE_LAG_MS_MAX: u64 = 3_600_000;

/// How long a use that is not urgent may wait for company, in milliseconds: reports are promised within ten seconds, and
/// one that must be tried again needs the other half.
pub const KEY_USAGE_WAIT_MS_MAX: u64 = 5_000;

/// Keys whose use a node holds until it is reported, about 200 bytes each. It is never reached while reports are taken;
/// beyond it a use that is not urgent is left to the next use of its key, and an urgent one is refused.
pub const KEY_USAGE_PENDING_MAX: usize = 65_536;

/// How long reports may fail before the node says so, in milliseconds: longer than an election and a restart.
pub const KEY_USAGE_WARN_MS: u64 = 60_000;

/// Shortest waiting period of a key's deletion, in days (W-5).
pub const DELETION_WINDOW_DAYS_MIN: u32 = 7;

/// Longest waiting period of a key's deletion, in days, and the one that is taken when none is asked for (W-5).
pub const DELETION_WINDOW_DAYS_MAX: u32 = 30;

/// Latest that imported key material may expire, in days from the request (W-33).
pub const IMPORT_VALID_TO_DAYS_MAX: u32 = 365;

/// Bytes of the representative of a message that ML-DSA signs (W-33).
pub const MU_BYTES: usize = 64;

/// The rotation period, in days, that is taken when none is asked for (CK-30).
pub const ROTATION_PERIOD_DAYS: i64 = 365;

/// Grants of a deleted key that one entry removes: at some microseconds each, `apply` stands still for a few milliseconds.
pub const REMOVED_GRANTS_PER_ENTRY: usize = 512;

/// Commands that time makes due which are proposed in one round: the rest wait for the next, so that what clients write
/// is not held up behind a backlog.
pub const DUE_COMMANDS_MAX: usize = 64;

/// Most that the stamp of an entry may run ahead of the clocks of a majority of the voters, in milliseconds: more than
/// synchronized clocks differ, too little to make anything due that is not.
pub const STAMP_AHEAD_MS_MAX: u64 = 2_000;

/// Aliases of one key (ID-7: AWS's quota).
pub const ALIASES_PER_KEY_MAX: usize = 50;

/// Tags of one key, user or role (E-1).
pub const TAGS_MAX: usize = 50;

/// Longest tag key in characters (E-1).
pub const TAG_KEY_CHARS_MAX: usize = 128;

/// Longest tag value in characters (E-1).
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Longest description of a key in characters (W-7).
pub const DESCRIPTION_CHARS_MAX: usize = 8_192;

/// Longest display name of an account in characters (AWS Organizations: 50).
pub const ACCOUNT_NAME_CHARS_MAX: usize = 50;

/// Accounts of a cluster: each costs about a kilobyte of memory on every node; AWS Organizations allows 10,000.
pub const ACCOUNTS_MAX: usize = 10_000;

/// Users and roles of one account (IAM: 5,000 users and up to 5,000 roles).
pub const PRINCIPALS_PER_ACCOUNT_MAX: usize = 10_000;

/// Identity policies of a user or role (IAM: up to 20 managed policies; each is evaluated at every decision).
pub const POLICIES_PER_PRINCIPAL_MAX: usize = 20;

/// Longest name of a group (IAM `groupNameType`).
pub const GROUP_NAME_MAX: usize = 128;

/// Longest group ARN we hold: as a principal's, with the longer name.
pub const GROUP_ARN_MAX: usize = 768;

/// Groups of one account (IAM: 300 unless raised, 500 at the most).
pub const GROUPS_PER_ACCOUNT_MAX: usize = 500;

/// Groups that one user is in (IAM): each is looked up at every decision about the user.
pub const GROUPS_PER_USER_MAX: usize = 10;

/// All policies of one group together, without white space (IAM: 5,120 characters).
pub const GROUP_POLICIES_MAX: usize = 5_120;

/// Longest organization id (Organizations: `o-` and 10 to 32 characters).
pub const ORGANIZATION_ID_MAX: usize = 34;

/// Longest id of a node of an organization's tree (Organizations: `ou-`, 4 to 32, `-`, 8 to 32 characters).
pub const NODE_ID_MAX: usize = 68;

/// Longest id of a VPC or of a VPC endpoint; those of AWS have up to 22 characters, the rest is room.
pub const VPC_ID_MAX: usize = 64;

/// Organizations of a cluster: as many as a cluster of 10,000 accounts can use.
pub const ORGANIZATIONS_MAX: usize = 1_000;

/// Organizational units of one organization (Organizations: 2,000).
pub const UNITS_PER_ORGANIZATION_MAX: usize = 2_000;

/// Units below one another (Organizations: five levels).
pub const UNIT_DEPTH_MAX: usize = 5;

/// Nodes from an organization's root to an account, both included: what a decision walks.
pub const LEVELS_MAX: usize = UNIT_DEPTH_MAX + 2;

/// Service control policies at one node (Organizations: ten, since May 2026): every level is evaluated at every decision.
pub const SERVICE_CONTROL_POLICIES_PER_NODE_MAX: usize = 10;

/// Resource control policies at one node, RCPFullAWSAccess included (Organizations: five).
pub const RESOURCE_CONTROL_POLICIES_PER_NODE_MAX: usize = 5;

/// Longest name of an organizational unit or control policy in characters (Organizations: 128).
pub const ORGANIZATION_NAME_CHARS_MAX: usize = 128;

/// VPC endpoints of a cluster: each costs about a kilobyte beside its policy.
pub const VPC_ENDPOINTS_MAX: usize = 10_000;

/// Longest name of an identity policy (IAM `policyNameType`).
pub const POLICY_NAME_MAX: usize = 128;

/// Pairs in one constraint of a grant (G-24).
pub const CONSTRAINT_PAIRS_MAX: usize = 8;

/// Longest value of a pair in a constraint, in characters (G-24).
pub const CONSTRAINT_VALUE_CHARS_MAX: usize = 384;

/// Longest name of a grant (G-15).
pub const GRANT_NAME_MAX: usize = 256;

/// Longest and shortest `SourceArn` of a constraint (G-22).
pub const SOURCE_ARN_MAX: usize = 512;
/// See [`SOURCE_ARN_MAX`].
pub const SOURCE_ARN_MIN: usize = 20;

/// Longest marker of a listing (W-7 `MarkerType`).
pub const MARKER_MAX: usize = 1_024;

/// Entries that one page of a filtered listing looks at before it ends early with a marker (G-32 allows fewer than asked):
/// at about 100 ns each, one page holds the core for a millisecond.
pub const LIST_SCAN_MAX: usize = 10_000;

/// Work, in units of [`crate::domain::effort::Effort`], after which a page of who-can or what-can ends with a marker: about
/// 50 ms of one core, so that it is well below the least bound of staleness ([`MAX_STALENESS_MS_MIN`]) on a slower or
/// busier machine, too.
pub const PAGE_WORK: u64 = 5_000_000;

/// Work that one answer may take, in the same units: about 200 ms of one core. What needs more is refused, with what to ask
/// instead; a batch of decisions is bounded by its deadline and the bound of staleness alone.
pub const ANSWER_WORK: u64 = 4 * PAGE_WORK;

/// Work for which an explanation looks for the nearest other answer: what decided is told whether one is found or not.
pub const EXPLAINED_NEAREST_WORK: u64 = PAGE_WORK;

/// Work that a thread which serves clients does for one request before it is given up and done aside: about 1.5 ms,
/// so that nobody else waits much for it. A thousand usual decisions take less.
pub const IN_PLACE_WORK: u64 = 150_000;

/// Requests that wait for a place where long answers are worked out: at 200 ms each on one thread, the last waits for six
/// seconds, and the deadline of a request that names none is ten.
pub const LONG_ANSWERS_WAITING_MAX: usize = 32;

/// Longest idempotency key of a client, in bytes.
pub const IDEMPOTENCY_KEY_MAX: usize = 64;

/// Revisions for which an idempotency record is kept as long as there is room: days at rest, but only 16 s at 4,000
/// writes a second, which is why time counts beside it.
pub const IDEMPOTENCY_HORIZON: u64 = 65_536;

/// Milliseconds of the cluster's time for which an idempotency record is kept at least, however many are written
/// meanwhile: five times the longest deadline of a request, so that a retry after a failover, by a program or by
/// hand, finds it.
pub const IDEMPOTENCY_HORIZON_MS: u64 = 300_000;

/// Milliseconds of the cluster's time for which the record of a Consume is kept, whatever the number of revisions (Q-11,
/// EC-13): a retry is answered as long as an attempt may be under way, and no longer: what it repeats is a decision.
pub const IDEMPOTENCY_USE_HORIZON_MS: u64 = 30_000;

/// Bytes that all idempotency records together may take, by [`IDEMPOTENCY_RECORD_BYTES`] and what they carry. 4,000
/// writes a second for the whole horizon make 1.2 million records of about 400 bytes. Beyond it a change under a key is
/// refused; no record is forgotten before [`IDEMPOTENCY_HORIZON_MS`].
pub const IDEMPOTENCY_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// The part of that memory that one caller has at the most, however much is free: 32 MiB, which 280 changes a second for
/// the whole horizon fill, or 2,600 uses of a key a second for theirs.
pub const IDEMPOTENCY_CALLER_PART: u64 = 16;

/// The part of it that all callers of one account have together at the most: 2,200 changes a second for the whole horizon.
pub const IDEMPOTENCY_ACCOUNT_PART: u64 = 2;

/// The part of that memory which is kept for the shares that every account has whatever the others do: a quarter. The
/// same part of an account's room is kept for the shares of its principals.
pub const IDEMPOTENCY_OWN_PART: u64 = 4;

/// Callers that belong to no account, the operator and services, between whom a share as of one account is divided.
pub const IDEMPOTENCY_STRANGERS: usize = 64;

/// How many times as much as is still free one account, or one principal of it, may take of what is common: four fifths
/// of it alone, and there is always something left for the next who comes.
pub const IDEMPOTENCY_FREE_FACTOR: u64 = 4;

/// What one idempotency record takes beside the texts that it carries: the record, its places in two indexes, its share
/// of the counts.
pub const IDEMPOTENCY_RECORD_BYTES: u64 = 320;

/// Longest text of a refusal that an idempotency record keeps, in bytes: those of AWS are shorter, and who is refused a
/// thousand times must not fill his share with words.
pub const IDEMPOTENCY_REFUSAL_MAX: usize = 512;

/// Idempotency records of each kind forgotten by one entry: more than one so that a backlog shrinks, few so that `apply` stays short.
pub const IDEMPOTENCY_DROPS_PER_ENTRY: usize = 8;

/// The same for a caller whose share is full, of records that are kept for their revisions alone: at some microseconds
/// each, a fraction of a millisecond, and he soon comes to his own.
pub const IDEMPOTENCY_DROPS_FOR_ROOM: usize = 128;

/// Token epochs kept, each as long as a grant of it lives: five years of a rotation a month. One more is refused until
/// the grants of the oldest are gone, or it is revoked.
pub const TOKEN_EPOCHS_MAX: usize = 64;

/// Longest sealed secret of a token epoch: 32 bytes of secret and the sealing's frame, with room for another cipher.
pub const SEALED_SECRET_MAX: usize = 1_024;

/// Bytes of one BatchAuthorize: a thousand questions with an encryption context and a token each, and room.
pub const BATCH_REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Longest payload of one stored record. The largest records are a command with a policy document of 131,072 characters
/// (the model's string limit, before P-1 refuses it) of at most 4 bytes, 512 KiB, and a role with all its policies,
/// 20 of at most 32 KiB; everything else of either takes less than 256 KiB.
pub const STORED_RECORD_MAX: usize = 1024 * 1024;

/// Calls that one connection may have open: as many as a node takes writes, since a peer forwards all of its own on one.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 4_096;

/// Connections of clients at once, unless the settings say otherwise: an idle one takes about 20 kB.
pub const CLIENT_CONNECTIONS: usize = 4_096;

/// The most that the settings may say: what one process has descriptors for where nobody has raised the limit of all.
pub const CLIENT_CONNECTIONS_MAX: usize = 1_000_000;

/// Connections of the other nodes at once: three of each member, and one that takes a lost one's place.
pub const PEER_CONNECTIONS_MAX: usize = 4 * MEMBERS_MAX;

/// Connections that have not made a call yet: whoever connects in earnest calls within a round trip, and 256 may do so
/// at once before one of them loses its place to a later one.
pub const NEW_CONNECTIONS_MAX: usize = 256;

/// Calls of clients that are open at once on one node, the shares of their own ([`CONNECTION_CALLS_OWN`]) not counted: twice
/// the writes that it takes, at about 8 kB each while they wait.
pub const CLIENT_CALLS_MAX: u64 = 2 * PROPOSALS_IN_FLIGHT_MAX as u64;

/// Calls of the other nodes that are open at once: three of them may have all streams of a connection.
pub const PEER_CALLS_MAX: u64 = 4 * STREAMS_PER_CONNECTION_MAX as u64;

/// Questions about the node's health that are open at once: each is answered at once.
pub const PROBE_CALLS_MAX: u64 = 256;

/// Calls that each connection of a client may have whatever the others have: one that waits for each of its answers, and one
/// beside it, are served where others have taken all.
pub const CONNECTION_CALLS_OWN: u64 = 2;

/// Bytes that each connection of a client may have whatever the others have: a question; 64 MiB for all of them.
pub const CONNECTION_HELD_BYTES_OWN: u64 = 16 * 1024;

/// Bytes that clients have sent of requests which are not answered yet, and bytes of answers that they have not taken:
/// half of it one connection's, room for 32 of the largest requests ([`BATCH_REQUEST_BYTES_MAX`]). The shares of their own
/// ([`CONNECTION_HELD_BYTES_OWN`]) are not counted.
pub const CLIENT_HELD_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The same of the other nodes, snapshots not counted, which are written to the disk chunk by chunk: half of it for one
/// connection's writes.
pub const PEER_HELD_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The same of questions about the node's health.
pub const PROBE_HELD_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of the headers of one call: a grant token goes in the message, so the rest is the transport's own and a few
/// traces.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Bytes that one call, and all calls of one connection, may send ahead of being read: what the largest round trip of a
/// Region needs for a few hundred MB/s.
pub const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
/// See [`STREAM_WINDOW_BYTES`].
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Bytes of an answer that are handed to the connection at once: what a client that takes nothing can make it hold for
/// each call, and the usual frame of HTTP/2.
pub const ANSWER_PIECE_BYTES: usize = 16 * 1024;

/// Calls that a client has taken back before they were looked at, beyond which its connection is closed (h2's default,
/// CVE-2023-44487).
pub const RESETS_UNSEEN_MAX: usize = 20;

/// Calls that were ended because of what a client sent, beyond which its connection is closed (hyper's default,
/// RUSTSEC-2024-0003).
pub const RESETS_OF_OURS_MAX: usize = 1_024;

/// How long a new connection has until it speaks HTTP/2, in milliseconds: three lost segments and a slow handshake.
pub const HANDSHAKE_MS_MAX: u64 = 5_000;

/// How long a stream of messages, or the body of a peer's call, may stand still, in milliseconds: longer than a snapshot
/// may, whose receiver then says so himself.
pub const BODY_IDLE_MS_MAX: u64 = 30_000;

/// How long a call may last at all, in milliseconds: the longest deadline and half of it for the way of the answer. A
/// connection with an older one does not take its answers, and is closed.
pub const CALL_LIFE_MS_MAX: u64 = REQUEST_DEADLINE_MS_MAX + REQUEST_DEADLINE_MS_MAX / 2;

/// Least maximum staleness that a cluster may be made with, in milliseconds: four freshness rounds, or a node would
/// refuse whenever one of them is late.
pub const MAX_STALENESS_MS_MIN: u64 = 200;

/// Greatest maximum staleness that a cluster may be made with, in milliseconds: a minute is a long time to go on with a
/// permission that was taken away.
pub const MAX_STALENESS_MS_MAX: u64 = 60_000;

/// Most statements that one stage of an explanation tells of: what applies stands first, and a person reads no more.
pub const EXPLAINED_STATEMENTS_MAX: usize = 200;

/// Most grants that an explanation tells of: a caller may hold all 50,000 of a key.
pub const EXPLAINED_GRANTS_MAX: usize = 100;

/// Most ways to the other answer that an explanation tells of.
pub const EXPLAINED_NEAREST_MAX: usize = 8;

/// Most single changes that are tried for a nearest miss, and the square of it in pairs: each try is a decision.
pub const EXPLAINED_TRIES_MAX: usize = 48;

/// Most changes that one what-if tries: each is a command on a copy of the state.
pub const WHAT_IF_CHANGES_MAX: usize = 100;

/// Most requests that one what-if decides, before and after: twice a batch's work at most.
pub const WHAT_IF_QUESTIONS_MAX: usize = 1_000;
