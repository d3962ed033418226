//! A question looked up: what it asks, of what, and what comes of it. Authorize, Explain and WhatIf all go this way.
//!
//! A question about an operation that is asked for in several parts becomes that operation, and is answered by its own
//! plan and its own parts: nothing is said here that the operation would not say.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use super::context::Context;
use super::create_alias::CreateAlias;
use super::create_key::{CreateKey, MultiRegion};
use super::delete_alias::DeleteAlias;
use super::key_use::{self, RandomSource, Use};
use super::parts::{self, Found, Purpose, Rehearsed};
use super::put_key_policy::PutKeyPolicy;
use super::refusal::{Said, said};
use super::replicate_key::ReplicateKey;
use super::update_alias::UpdateAlias;
use super::update_primary_region::UpdatePrimaryRegion;
use super::use_members::UseMembers;
use super::{Command, DryRun, ErrorCode, LockoutCheck, Rejection};
use crate::domain::authz::authorize_within;
use crate::domain::authz::caller::{Caller, ContextEntry};
use crate::domain::authz::claim::{Members, Question};
use crate::domain::authz::decision::Decision;
use crate::domain::authz::explain::{Explanation, explain_within};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::authz::resolve::{AliasUse, Unresolved, alias_arn, resolve};
use crate::domain::ids::{AccountId, CustomKeyStoreId, GrantId, KeyArn, KeyId, KeyRef, Region};
use crate::domain::policy::{Action, ActionTarget, KmsAction};
use crate::domain::state::Tags;
use crate::domain::state::grant::{EncryptionContext, Grant};
use crate::domain::state::key::{Key, KeyOrigin, KeySpec};
use crate::domain::time::Timestamp;

/// The operation that asks for two actions, and is no action itself (G-8).
const RE_ENCRYPT: &str = "kms:ReEncrypt";
const ON_SAME_KEY: &str = "kms:reencryptonsamekey";

/// Why a question cannot be looked up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotPosed {
    /// Its action is none of KMS.
    Action(Box<str>),
    /// It is about a service, which has no account in which a key id or alias could resolve (ID-4).
    NeedsKeyArn,
    /// It does not say what can be asked.
    Said(Said),
    /// It names no key.
    Key(Unresolved),
    /// What the operation would say before it asks for anything.
    Refused(Box<Rejection>),
}

impl From<NotPosed> for Rejection {
    fn from(why: NotPosed) -> Self {
        match why {
            NotPosed::Action(action) => said(
                ErrorCode::Validation,
                format_args!("`{action}` is no action of KMS: write it as kms:Decrypt"),
            )
            .into(),
            NotPosed::NeedsKeyArn => said(
                ErrorCode::Validation,
                "a service has no account in which a key id or alias could resolve: name the key by its ARN",
            )
            .into(),
            NotPosed::Said(said) => said.into(),
            NotPosed::Key(unresolved) => unresolved.into(),
            NotPosed::Refused(rejection) => *rejection,
        }
    }
}

impl From<Said> for NotPosed {
    fn from(said: Said) -> Self {
        Self::Said(said)
    }
}

/// A question, looked up for the caller of its context, whom it is about.
pub struct Posed<'a> {
    cx: Context<'a>,
    what: What<'a>,
    account: AccountId,
    algorithm: Option<&'a str>,
    random_source: Option<&'a CustomKeyStoreId>,
}

#[allow(
    clippy::large_enum_variant,
    reason = "nearly every question is of one action, and must not be paid for with an allocation"
)]
enum What<'a> {
    /// One action, on one thing at most.
    One(Half<'a>),
    /// ReEncrypt: from one key, and to another.
    Two(Box<[Half<'a>; 2]>),
    /// An operation of several parts.
    Operation(Box<Command>),
}

/// One action of a question.
struct Half<'a> {
    action: Action,
    kms: KmsAction,
    key: Option<&'a Arc<Key>>,
    named: Option<&'a KeyRef>,
    account: AccountId,
    pairs: &'a EncryptionContext,
    tokens: Vec<Arc<Grant>>,
    /// The caller, with what is known of this half.
    caller: Cow<'a, Caller>,
}

/// What comes of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whether all of it is permitted: of what is denied the first.
    pub decision: Decision,
    /// Of what is asked for in several parts, each.
    pub parts: Vec<Found<Decision>>,
    /// The key that was decided on.
    pub key: Option<KeyArn>,
    /// The grants of tokens that the state did not know yet and that were taken into account.
    pub token_grants: Vec<GrantId>,
    /// The error that AWS would answer with; `None`: it would be carried out.
    pub refusal: Option<Rejection>,
}

/// Why a question is answered as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Each part; at least one.
    pub parts: Vec<Found<Explanation>>,
    /// The error that AWS would answer with; `None`: it would be carried out.
    pub refusal: Option<Rejection>,
}

impl<'a> Posed<'a> {
    /// Looks a question up. `cx` is of the one whom it is about, with what the question says of its request.
    ///
    /// # Errors
    /// [`NotPosed`]
    pub fn read(cx: Context<'a>, question: &'a Question) -> Result<Self, NotPosed> {
        let Question {
            subject: _,
            action,
            key: named,
            encryption_context,
            grant_tokens: _,
            facts: _,
            dry_run: _,
            random_source,
            members,
        } = question;
        let destination = members.destination.as_ref();
        let is_re_encrypt = action.eq_ignore_ascii_case(RE_ENCRYPT);
        let kms = if is_re_encrypt {
            KmsAction::ReEncryptFrom
        } else {
            let parsed = Action::parse(action);
            let kms = parsed.kms();
            kms.ok_or_else(|| NotPosed::Action(action.as_ref().into()))?
        };
        let account = account_of(&cx, named.as_ref(), kms)?;
        let what = match (kms, destination) {
            (KmsAction::ReEncryptFrom, Some(destination)) => {
                let from = Half::read(&cx, kms, named.as_ref(), account, encryption_context)?;
                let pairs = &members.destination_context;
                let to = KmsAction::ReEncryptTo;
                let mut to = Half::read(&cx, to, Some(destination), account, pairs)?;
                let mut from = from;
                let same = from.key.map(|key| &key.arn) == to.key.map(|key| &key.arn);
                for half in [&mut from, &mut to] {
                    half.say(ON_SAME_KEY, if same { "true" } else { "false" });
                }
                What::Two(Box::new([from, to]))
            }
            (KmsAction::ReEncryptFrom, None) if is_re_encrypt => {
                return Err(lacks(RE_ENCRYPT, "of two keys", "the destination key as well").into());
            }
            _ => match operation(&cx, kms, question, account)? {
                Some(command) => What::Operation(Box::new(command)),
                None => What::One(Half::read(
                    &cx,
                    kms,
                    named.as_ref(),
                    account,
                    encryption_context,
                )?),
            },
        };
        Ok(Self {
            account,
            algorithm: algorithm(cx.caller),
            random_source: random_source.as_ref(),
            what,
            cx,
        })
    }

    /// The keys that it is about and that are there.
    ///
    /// # Errors
    /// What it names is not there.
    pub fn keys(&self) -> Result<Vec<Arc<Key>>, Rejection> {
        match &self.what {
            What::One(half) => Ok(half.key.map(Arc::clone).into_iter().collect()),
            What::Two(halves) => Ok(halves
                .iter()
                .filter_map(|half| half.key.map(Arc::clone))
                .collect()),
            What::Operation(command) => parts::stored_keys(command, &self.cx),
        }
    }

    /// The uses of keys that it asks for.
    pub fn uses(&self) -> impl Iterator<Item = (KmsAction, &Arc<Key>)> {
        let halves: &[Half<'_>] = match &self.what {
            What::One(half) => std::slice::from_ref(half),
            What::Two(halves) => &halves[..],
            What::Operation(_) => &[],
        };
        halves.iter().filter_map(|half| Some((half.kms, half.key?)))
    }

    /// What comes of it.
    ///
    /// # Errors
    /// What it names is not there.
    pub fn verdict(&self, dry_run: DryRun) -> Result<Verdict, Rejection> {
        let state = self.cx.state;
        match &self.what {
            What::One(half) => {
                let decision = authorize_within(state, &half.request(&self.cx), self.cx.effort);
                let refusal = self.refused(half, &decision, dry_run);
                Ok(Verdict {
                    decision,
                    parts: Vec::new(),
                    key: half.key.map(|key| key.arn.clone()),
                    token_grants: half.tokens.iter().map(|grant| grant.id).collect(),
                    refusal,
                })
            }
            What::Two(halves) => {
                let parts = halves
                    .each(|half| authorize_within(state, &half.request(&self.cx), self.cx.effort));
                let refusal = self.either_refused(halves, |n| parts.get(n).map(|part| &part.found));
                let refusal = refusal.or_else(|| match dry_run {
                    DryRun::No => None,
                    DryRun::Yes => Some(super::refusal::dry_run().into()),
                });
                Ok(Verdict {
                    decision: overall(&parts, |decision| decision)
                        .cloned()
                        .ok_or_else(nothing)?,
                    key: halves[0].key.map(|key| key.arn.clone()),
                    token_grants: halves
                        .iter()
                        .flat_map(|half| half.tokens.iter().map(|grant| grant.id))
                        .collect(),
                    parts,
                    refusal,
                })
            }
            What::Operation(command) => {
                let rehearsed = self.rehearse(command, |request| {
                    authorize_within(state, request, self.cx.effort)
                })?;
                let Rehearsed {
                    parts,
                    key,
                    refusal,
                } = rehearsed;
                Ok(Verdict {
                    decision: overall(&parts, |decision| decision)
                        .cloned()
                        .ok_or_else(nothing)?,
                    parts,
                    key,
                    token_grants: Vec::new(),
                    refusal,
                })
            }
        }
    }

    /// Why it is answered as it is.
    ///
    /// # Errors
    /// What it names is not there.
    pub fn told(&self) -> Result<Told, Rejection> {
        let state = self.cx.state;
        let why = |half: &Half<'_>| explain_within(state, &half.request(&self.cx), self.cx.effort);
        match &self.what {
            What::One(half) => {
                let found = why(half);
                let refusal = self.refused(half, &found.decision, DryRun::No);
                Ok(Told {
                    parts: vec![half.found(found)],
                    refusal,
                })
            }
            What::Two(halves) => {
                let parts = halves.each(why);
                let decision = |n: usize| parts.get(n).map(|part| &part.found.decision);
                let refusal = self.either_refused(halves, decision);
                Ok(Told { parts, refusal })
            }
            What::Operation(command) => {
                let rehearsed = self.rehearse(command, |request| {
                    explain_within(state, request, self.cx.effort)
                })?;
                let Rehearsed { parts, refusal, .. } = rehearsed;
                Ok(Told { parts, refusal })
            }
        }
    }

    fn rehearse<T>(
        &self,
        command: &Command,
        judge: impl Fn(&Request<'_>) -> T,
    ) -> Result<Rehearsed<T>, Rejection> {
        parts::rehearse(command, &self.cx, judge)?.ok_or_else(nothing)
    }

    /// The error that one half would end in.
    fn refused(&self, half: &Half<'_>, decision: &Decision, dry_run: DryRun) -> Option<Rejection> {
        let asked = Use {
            algorithm: self.algorithm,
            members: half.members(self.cx.now),
            source: self.random_source.map(|store| RandomSource {
                scope: self.cx.scope,
                account: self.account,
                store,
            }),
            dry_run,
        };
        let key = half.key.map(|key| &**key);
        key_use::refusal(self.cx.state, decision, Some(half.kms), key, asked)
    }

    /// ReEncrypt looks at one key after the other: what the first is refused for comes first.
    fn either_refused<'d>(
        &self,
        halves: &[Half<'_>; 2],
        decision: impl Fn(usize) -> Option<&'d Decision>,
    ) -> Option<Rejection> {
        let halves = halves.iter().enumerate();
        halves
            .filter_map(|(n, half)| Some((half, decision(n)?)))
            .find_map(|(half, decision)| self.refused(half, decision, DryRun::No))
    }
}

/// Both halves of ReEncrypt.
trait Halves {
    fn each<T>(&self, judge: impl Fn(&Half<'_>) -> T) -> Vec<Found<T>>;
}

impl Halves for [Half<'_>; 2] {
    fn each<T>(&self, judge: impl Fn(&Half<'_>) -> T) -> Vec<Found<T>> {
        self.iter().map(|half| half.found(judge(half))).collect()
    }
}

/// Of decisions that must all allow the first that denies, or else the first.
pub fn overall<T>(parts: &[Found<T>], decision: impl Fn(&T) -> &Decision) -> Option<&Decision> {
    let mut all = parts.iter().map(|part| decision(&part.found));
    let first = all.next()?;
    if !first.is_allow() {
        return Some(first);
    }
    Some(all.find(|decision| !decision.is_allow()).unwrap_or(first))
}

fn nothing() -> Rejection {
    said(
        ErrorCode::Validation,
        "the question asks for nothing that could be decided",
    )
    .into()
}

impl<'a> Half<'a> {
    fn read(
        cx: &Context<'a>,
        kms: KmsAction,
        named: Option<&'a KeyRef>,
        account: AccountId,
        pairs: &'a EncryptionContext,
    ) -> Result<Self, NotPosed> {
        let named = named.filter(|_| kms.target() != ActionTarget::None);
        let alias_use = if kms.accepts_alias() {
            AliasUse::Accepted
        } else {
            AliasUse::Refused
        };
        let key = named
            .map(|named| resolve(cx.state, cx.scope, account, named, alias_use))
            .transpose()
            .map_err(NotPosed::Key)?;
        let of_key = |grant: &&Arc<Grant>| key.is_some_and(|key| key.arn == grant.key);
        let tokens = cx.token_grants.iter();
        Ok(Self {
            tokens: tokens.filter(of_key).map(Arc::clone).collect(),
            action: kms.into(),
            kms,
            key,
            named,
            account,
            pairs,
            caller: Cow::Borrowed(cx.caller),
        })
    }

    /// Says a condition key that the state knows, unless the question says it.
    fn say(&mut self, key: &str, value: &str) {
        let context = &mut self.caller.to_mut().facts.context;
        let entry = context.entry(key.into());
        entry.or_insert_with(|| ContextEntry::Single(value.into()));
    }

    fn request<'p>(&'p self, cx: &Context<'p>) -> Request<'p> {
        Request {
            caller: &self.caller,
            scope: cx.scope,
            action: self.action.clone(),
            target: match self.key {
                Some(key) => Target::Key {
                    key,
                    alias: self.named.and_then(KeyRef::alias),
                },
                None => Target::Account(self.account),
            },
            encryption_context: self.pairs,
            about: About::Nothing,
            token_grants: &self.tokens,
            parameters: Parameters::FromFront,
            now: cx.now,
        }
    }

    /// The other members of its request, of which the front told as condition keys; what it told nothing of is unknown here.
    fn members(&self, now: Timestamp) -> UseMembers<'_> {
        let text = |key: &str| match self.caller.facts.context.get(key)? {
            ContextEntry::Single(text) => Some(&**text),
            ContextEntry::Multi(_) => None,
        };
        UseMembers {
            now,
            has_context: !self.pairs.is_empty(),
            message_type: text("kms:messagetype"),
            key_pair_spec: text("kms:datakeypairspec"),
            wrapping_algorithm: text("kms:wrappingalgorithm"),
            wrapping_key_spec: text("kms:wrappingkeyspec"),
            expiration_model: text("kms:expirationmodel"),
            valid_to: text("kms:validto"),
            ..UseMembers::default()
        }
    }

    fn found<T>(&self, found: T) -> Found<T> {
        Found {
            action: self.kms,
            resource: self.key.map(|key| key.arn.to_string().into()),
            purpose: Purpose::Permission,
            found,
        }
    }
}

/// Where a bare key id or alias of the question resolves (ID-4). A service has no account: it names the key by ARN.
fn account_of(
    cx: &Context<'_>,
    named: Option<&KeyRef>,
    kms: KmsAction,
) -> Result<AccountId, NotPosed> {
    let named = named.filter(|_| kms.target() != ActionTarget::None);
    match (cx.caller.identity.account(), named) {
        (Some(account), _) => Ok(account),
        (None, Some(KeyRef::KeyArn(arn))) => Ok(arn.account),
        (None, Some(KeyRef::AliasArn(arn))) => Ok(arn.account),
        (None, Some(KeyRef::Id(_) | KeyRef::Alias(_)) | None) => Err(NotPosed::NeedsKeyArn),
    }
}

/// The algorithm that the request names, of which the front told as a condition key (CK-6, CK-18, CK-32).
fn algorithm(caller: &Caller) -> Option<&str> {
    const KEYS: [&str; 3] = [
        "kms:encryptionalgorithm",
        "kms:signingalgorithm",
        "kms:macalgorithm",
    ];
    KEYS.iter()
        .find_map(|key| match caller.facts.context.get(*key)? {
            ContextEntry::Single(text) => Some(&**text),
            ContextEntry::Multi(_) => None,
        })
}

fn lacks(action: impl std::fmt::Display, of: &str, name: &str) -> Said {
    said(
        ErrorCode::Validation,
        format_args!("{action} is asked for {of}, and both must allow it: name {name}"),
    )
}

/// The operation that a question is about, if it is one of several parts.
fn operation(
    cx: &Context<'_>,
    kms: KmsAction,
    question: &Question,
    account: AccountId,
) -> Result<Option<Command>, NotPosed> {
    let members = &question.members;
    let key = || -> Result<KeyRef, NotPosed> {
        question.key.clone().ok_or_else(|| {
            said(
                ErrorCode::Validation,
                format_args!("{kms} is done to a key: name it"),
            )
            .into()
        })
    };
    let command = match kms {
        KmsAction::CreateAlias => {
            let (alias, target) = alias_and_key(cx, kms, question, account)?;
            let target =
                target.ok_or_else(|| lacks(kms, "of an alias and of a key", "the key as well"))?;
            Command::CreateAlias(CreateAlias { alias, target })
        }
        KmsAction::UpdateAlias => {
            let (alias, target) = alias_and_key(cx, kms, question, account)?;
            let of = "of an alias, of its key and of the new key";
            let target = target.ok_or_else(|| lacks(kms, of, "the new key as well"))?;
            Command::UpdateAlias(UpdateAlias { alias, target })
        }
        KmsAction::DeleteAlias => {
            let (alias, target) = alias_and_key(cx, kms, question, account)?;
            let command = Command::DeleteAlias(DeleteAlias { alias });
            if let Some(named) = target {
                let named = resolve(cx.state, cx.scope, account, &named, AliasUse::Refused)
                    .map_err(NotPosed::Key)?;
                let own = parts::stored_keys(&command, cx)
                    .map_err(|why| NotPosed::Refused(Box::new(why)))?;
                if own.iter().all(|key| key.arn != named.arn) {
                    return Err(said(
                        ErrorCode::Validation,
                        format_args!("the alias is not one of {}: leave the key out", named.arn),
                    )
                    .into());
                }
            }
            command
        }
        KmsAction::CreateKey => create_key(cx, question, account)?,
        KmsAction::PutKeyPolicy => match &members.policy {
            None => return Ok(None),
            Some(policy) => Command::PutKeyPolicy(PutKeyPolicy {
                key: key()?,
                policy_name: fact_text(cx, "kms:policyname")?.map(Into::into),
                policy: Arc::clone(policy),
                lockout_check: lockout_check(cx, members)?,
            }),
        },
        KmsAction::ReplicateKey => Command::ReplicateKey(ReplicateKey {
            key: key()?,
            region: region(cx, kms, members, "kms:replicaregion")?,
            policy: members.policy.clone(),
            lockout_check: lockout_check(cx, members)?,
            description: "".into(),
            tags: tags(cx, members)?,
        }),
        KmsAction::UpdatePrimaryRegion => Command::UpdatePrimaryRegion(UpdatePrimaryRegion {
            key: key()?,
            region: region(cx, kms, members, "kms:primaryregion")?,
        }),
        _ => return Ok(None),
    };
    Ok(Some(command))
}

/// The alias of a question about an alias operation, by name, and the key that it names beside it. The alias may stand
/// where the key does.
fn alias_and_key(
    cx: &Context<'_>,
    kms: KmsAction,
    question: &Question,
    account: AccountId,
) -> Result<(Arc<str>, Option<KeyRef>), NotPosed> {
    let named = |alias: &KeyRef| -> Result<Option<Arc<str>>, NotPosed> {
        match alias {
            KeyRef::Alias(name) => Ok(Some(name.as_str().into())),
            // The operation takes a name alone, which is of the caller's account and the endpoint's Region (ID-4).
            KeyRef::AliasArn(arn) if *arn == alias_arn(cx.scope, account, &arn.name) => {
                Ok(Some(arn.name.as_str().into()))
            }
            KeyRef::AliasArn(arn) => Err(NotPosed::Key(Unresolved::NoSuchAlias(Box::new(
                arn.clone(),
            )))),
            KeyRef::Id(_) | KeyRef::KeyArn(_) => Ok(None),
        }
    };
    if let Some(alias) = &question.members.alias {
        let name = match alias.parse::<KeyRef>() {
            Ok(parsed) => named(&parsed)?,
            Err(_) => None,
        };
        // What is no alias is the operation's to refuse, in AWS's words (ID-5).
        return Ok((
            name.unwrap_or_else(|| Arc::clone(alias)),
            question.key.clone(),
        ));
    }
    let alias = question.key.as_ref().map(named).transpose()?.flatten();
    match alias {
        Some(alias) => Ok((alias, None)),
        None => Err(lacks(kms, "of an alias and of a key", "the alias as well").into()),
    }
}

fn create_key(
    cx: &Context<'_>,
    question: &Question,
    account: AccountId,
) -> Result<Command, NotPosed> {
    let members = &question.members;
    let is_multi_region = fact::<bool>(cx, "kms:multiregion")?.unwrap_or_default();
    Ok(Command::CreateKey(CreateKey {
        account,
        partition: cx.scope.partition,
        region: cx.scope.region.clone(),
        // No key is made: an id that nobody draws.
        key_id: if is_multi_region {
            KeyId::MultiRegion([0; 16])
        } else {
            KeyId::Uuid([0; 16])
        },
        description: "".into(),
        spec: fact(cx, "kms:keyspec")?.unwrap_or(KeySpec::SymmetricDefault),
        usage: fact(cx, "kms:keyusage")?,
        origin: fact(cx, "kms:keyorigin")?.unwrap_or(KeyOrigin::AwsKms),
        multi_region: if is_multi_region {
            MultiRegion::Primary
        } else {
            MultiRegion::No
        },
        policy: members.policy.clone(),
        lockout_check: lockout_check(cx, members)?,
        tags: tags(cx, members)?,
        custom_key_store: question.random_source.clone(),
        xks_key: question.members.xks_key.clone(),
    }))
}

/// A fact of the request that has one value.
fn fact_text<'a>(cx: &Context<'a>, key: &str) -> Result<Option<&'a str>, NotPosed> {
    match cx.caller.facts.context.get(key) {
        None => Ok(None),
        Some(ContextEntry::Single(text)) => Ok(Some(text)),
        Some(ContextEntry::Multi(_)) => Err(said(
            ErrorCode::Validation,
            format_args!("{key} has one value, and several were sent"),
        )
        .into()),
    }
}

fn fact<T: FromStr>(cx: &Context<'_>, key: &str) -> Result<Option<T>, NotPosed> {
    let text = fact_text(cx, key)?;
    text.map(|text| {
        text.parse().map_err(|_| {
            said(
                ErrorCode::Validation,
                format_args!("`{}` is no value of {key}", text.escape_debug()),
            )
            .into()
        })
    })
    .transpose()
}

fn lockout_check(cx: &Context<'_>, members: &Members) -> Result<LockoutCheck, NotPosed> {
    let sent = match members.bypass_lockout_check {
        Some(sent) => Some(sent),
        None => fact(cx, "kms:bypasspolicylockoutsafetycheck")?,
    };
    Ok(match sent {
        None => LockoutCheck::Unset,
        Some(false) => LockoutCheck::Run,
        Some(true) => LockoutCheck::Bypass,
    })
}

fn region(
    cx: &Context<'_>,
    kms: KmsAction,
    members: &Members,
    key: &str,
) -> Result<Region, NotPosed> {
    match &members.region {
        Some(region) => Ok(region.clone()),
        None => fact(cx, key)?
            .ok_or_else(|| lacks(kms, "in two Regions", "the other Region as well").into()),
    }
}

/// The tags of the request: as members, or as the condition keys that they become (CK-37, CK-38).
fn tags(cx: &Context<'_>, members: &Members) -> Result<Tags, NotPosed> {
    const PREFIX: &str = "aws:requesttag/";
    let mut tags = members.tags.clone();
    let context = &cx.caller.facts.context;
    for (key, value) in context {
        if let (Some(key), ContextEntry::Single(value)) = (key.strip_prefix(PREFIX), value) {
            tags.entry(key.into()).or_insert_with(|| Arc::clone(value));
        }
    }
    let keys: &[Arc<str>] = match context.get("aws:tagkeys") {
        None => &[],
        Some(ContextEntry::Single(key)) => std::slice::from_ref(key),
        Some(ContextEntry::Multi(keys)) => keys,
    };
    for key in keys {
        // The names of condition keys are compared without their letter case; the tag's own is told here.
        let folded = key.to_lowercase();
        if tags.contains_key(key) {
            continue;
        }
        let Some(value) = tags.remove(folded.as_str()) else {
            return Err(said(
                ErrorCode::Validation,
                format_args!(
                    "aws:TagKeys names the tag `{}`, whose value nothing tells: say aws:RequestTag/{0} as well",
                    key.escape_debug()
                ),
            )
            .into());
        };
        tags.insert(Arc::clone(key), value);
    }
    Ok(tags)
}
