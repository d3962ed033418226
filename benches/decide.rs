//! What a decision, a write's `apply` and a grant token cost, in one thread and without a network.
//!
//! `cargo bench --bench decide` measures with criterion. `cargo test` runs every case once at tiny size, with its checks,
//! so that none can rot; speed itself is asserted nowhere. Each group begins with its sketch: what it should cost and why.

mod support;

use std::hint::black_box;

use grantd::crypto::seal::EpochSecret;
use grantd::crypto::token::{self, Epoch, EpochKeys};
use grantd::domain::authz::authorize;
use grantd::domain::authz::caller::Caller;
use grantd::domain::authz::decision::{Decision, Outcome, Source};
use grantd::domain::authz::request::{About, Parameters, Request, Target};
use grantd::domain::op::revoke_grant::RevokeGrant;
use grantd::domain::op::{Command, Output, apply};
use grantd::domain::policy::KmsAction;
use grantd::domain::state::State;
use grantd::domain::state::grant::{EncryptionContext, Grant};
use grantd::domain::time::{Incarnation, Revision, Timestamp};

use support::harness::Harness;
use support::world::{self, APP, CONSOLE_USER, STRANGER, World};

fn main() {
    let mut harness = Harness::from_args();
    // AWS allows 50,000 grants on a key: the last size is the most that there can be.
    let sizes: &[u32] = if harness.is_measuring() {
        &[1, 100, 10_000, 50_000]
    } else {
        &[1, 40]
    };
    authorize_by_grant(&mut harness, sizes);
    authorize_by_policy(&mut harness, sizes);
    authorize_denied(&mut harness, sizes);
    apply_writes(&mut harness, sizes);
    tokens(&mut harness);
    harness.finish();
}

/// Sketch: about 0.5 µs, whatever the number of grants. Looked up by hash: account, user, key's grants of this grantee
/// (about 50 ns each with the fixed SipHash over some 100 bytes); four statements tried twice (deny, then allow) at
/// about 10 ns; two selectors hashed and searched in the lot, 30 ns each, and in a lot of 50,000 some four levels of
/// an ordered map more. Nothing may be allocated per grant; an allow formats no text.
/// Measured: twice that, and with one grantee's 50,000 grants twice again; six searches of the ordered map are not free.
fn authorize_by_grant(harness: &mut Harness, sizes: &[u32]) {
    for &size in sizes {
        let mut world =
            World::new().with_grants(size, |n| world::grant(n, &world::grantee(n), None));
        let caller = world.caller(&world::grantee(size / 2));
        let ask = Asked::new(&world, &caller, EncryptionContext::new());
        check_allow(&ask.decide(), Source::Grant);
        harness.bench("authorize/grant, each of another grantee", size, || {
            ask.decide()
        });

        // One grantee with all of them: a grant for each file that it may read.
        let mut world =
            World::new().with_grants(size, |n| world::grant(n, APP, Some(world::file_context(n))));
        let caller = world.caller(APP);
        let ask = Asked::new(&world, &caller, world::file_context(size / 2));
        check_allow(&ask.decide(), Source::Grant);
        harness.bench("authorize/grant, all of one grantee", size, || ask.decide());
    }
}

/// Sketch: about 0.3 µs: as above without the grants, which are not looked at.
fn authorize_by_policy(harness: &mut Harness, sizes: &[u32]) {
    for &size in sizes {
        let mut world =
            World::new().with_grants(size, |n| world::grant(n, &world::grantee(n), None));
        let caller = world.caller(CONSOLE_USER);
        let ask = Asked::new(&world, &caller, EncryptionContext::new());
        check_allow(&ask.decide(), Source::KeyPolicy);
        harness.bench("authorize/key policy", size, || ask.decide());
    }
}

/// Sketch: about 0.8 µs: everything that could allow is tried, and the denial keeps the texts that its message names:
/// caller and resource, two allocations and a UUID to print.
fn authorize_denied(harness: &mut Harness, sizes: &[u32]) {
    for &size in sizes {
        let mut world =
            World::new().with_grants(size, |n| world::grant(n, APP, Some(world::file_context(n))));
        let caller = world.caller(STRANGER);
        let ask = Asked::new(&world, &caller, world::file_context(0));
        assert_eq!(ask.decide().outcome(), Outcome::ImplicitDeny);
        harness.bench("authorize/denied", size, || ask.decide());
    }
}

/// Sketch: 10 to 30 µs, and slower with more grants only by the depth of ordered maps. The snapshot before stays alive,
/// as it does in a node while readers hold it, so each index that changes copies its path: six maps of two arrays of
/// 256 pointers and a shard each, and the ordered ones a node of 64 entries a level.
fn apply_writes(harness: &mut Harness, sizes: &[u32]) {
    for &size in sizes {
        let room = size.saturating_sub(1);
        let world = World::new().with_grants(room, |n| world::grant(n, &world::grantee(n), None));
        let entry = world.create_grant(room);
        let at = world.next_revision();
        harness.bench_on(
            "apply/CreateGrant, the key's nth",
            size,
            || world.state.clone(),
            |state| {
                let applied = apply(state, at, &entry);
                assert!(matches!(applied.outcome, Ok(Output::Grant(_))));
                applied
            },
        );

        let world = World::new().with_grants(size, |n| world::grant(n, &world::grantee(n), None));
        let entry = world.entry(
            &world.root(),
            Command::RevokeGrant(RevokeGrant {
                key: world.key_ref(),
                grant_id: world::grant_id(size / 2).to_string().into(),
                dry_run: Default::default(),
                descendants: Default::default(),
            }),
        );
        let at = world.next_revision();
        harness.bench_on(
            "apply/RevokeGrant, of n",
            size,
            || world.state.clone(),
            |state| {
                let applied = apply(state, at, &entry);
                assert!(matches!(applied.outcome, Ok(Output::Done)));
                applied
            },
        );
    }
}

/// Sketch: 1 to 2 µs each way for a body of about 250 bytes: keyed BLAKE3 0.3 µs, XChaCha20-Poly1305 with its subkey
/// 0.5 µs, base64 of 480 characters 0.3 µs, and on opening the texts are parsed again into principal and key.
/// Wrong by three to five times, as measured on a busy machine: docs/BENCHMARKS.md.
fn tokens(harness: &mut Harness) {
    let secret = EpochSecret::from_bytes([9; 32]);
    let keys = EpochKeys::derive(Epoch(1), Incarnation([7; 16]), &secret);
    let grant: Grant = world::grant(1, APP, Some(world::file_context(1)));
    let depends_on = Revision(1);
    let seal = |salt: u8| token::mint(&keys, &grant, depends_on, [salt; 16]).unwrap();
    let sealed = seal(1);
    let text = sealed.as_str();
    let (_, body) = token::open(text, &keys).unwrap();
    assert!(matches!(body, token::TokenBody::Grant(opened) if *opened == grant));
    let chars = u32::try_from(text.len()).unwrap();
    harness.bench("token/seal, of n characters", chars, || seal(2));
    harness.bench("token/open, of n characters", chars, || {
        token::open(black_box(text), &keys).unwrap()
    });
}

/// `kms:Decrypt` on the world's key.
struct Asked<'a> {
    world: &'a World,
    caller: &'a Caller,
    context: EncryptionContext,
}

impl<'a> Asked<'a> {
    fn new(world: &'a World, caller: &'a Caller, context: EncryptionContext) -> Self {
        Self {
            world,
            caller,
            context,
        }
    }

    fn decide(&self) -> Decision {
        let state: &State = &self.world.state;
        let request = Request {
            caller: self.caller,
            scope: &self.world.scope,
            action: KmsAction::Decrypt.into(),
            target: Target::Key {
                key: self.world.key(),
                alias: None,
            },
            encryption_context: &self.context,
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: Timestamp::from_millis(2_000),
        };
        authorize(black_box(state), &request)
    }
}

fn check_allow(decision: &Decision, source: Source) {
    let by = decision.decided_by().map(|by| by.source);
    assert!(decision.is_allow() && by == Some(source), "{decision:?}");
}
