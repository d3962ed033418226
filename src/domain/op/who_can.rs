//! `WhoCan`: effective access of a key: which stored principals may do what to it, and what lets them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals, said};
use super::{Answer, ErrorCode, Page, insight};
use crate::domain::authz::Denied;
use crate::domain::authz::access::{Access, Holdings, OfAccount, access};
use crate::domain::authz::caller::{Caller, Identity, RequestFacts};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::{AccountId, KeyArn, KeyRef, PrincipalArn};
use crate::domain::policy::{ActionTarget, KmsAction};
use crate::domain::state::State;
use crate::domain::state::grant::EncryptionContext;
use crate::domain::state::key::Key;
use crate::domain::state::principal::PrincipalType;

/// Tells which users, roles and root users may do what to a key.
///
/// The operator is told of every account's principals, anybody else of its own account's: who may read a key's policy may
/// not thereby learn what is in the identity policies of others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WhoCan {
    /// The key, by key id or key ARN.
    pub key: KeyRef,
    /// Only these actions; empty: every action on keys.
    pub actions: Vec<KmsAction>,
    /// Which page, in principals that are looked at.
    pub page: Page,
}

/// What one principal may do to one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reached {
    /// The principal; of a role, any session of it.
    pub principal: PrincipalArn,
    /// The key; `None`: actions without a key.
    pub key: Option<KeyArn>,
    /// Actions that are alike in what lets them.
    pub actions: Vec<KmsAction>,
    /// Whether always or on conditions, and what lets them.
    pub access: Access,
}

refusals! {
    /// Why WhoCan is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// A limit or marker that cannot be, or an action that is not done to keys.
        Shape(Said),
        /// The asker may not read the key's policy and grants.
        Denied(Denied),
    }
}

impl Question for WhoCan {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let listing = format!("who can {} {:?}", key.arn, self.actions);
        let cursor: Cursor<PrincipalArn> =
            Cursor::read(&self.page, Sizes::ACCESS, &listing).map_err(Refusal::Shape)?;
        let actions = actions(&self.actions).map_err(Refusal::Shape)?;
        insight::may_read_key(cx, key)?;
        let only = (!insight::is_operator(cx))
            .then(|| cx.caller.identity.account())
            .flatten();
        let after = cursor.after.clone();
        let mut of_account = OfAccount::default();
        let found = cursor.page_within(
            cx.effort,
            principals(cx.state, only, after.as_ref()),
            Clone::clone,
            |principal| Some(reached(cx, principal, Some(key), &actions, &mut of_account)),
        );
        Ok(Answer::Access {
            items: found.items.into_iter().flatten().collect(),
            next: found.next,
        })
    }
}

/// The actions that were asked for, or all that are done to keys.
fn actions(asked: &[KmsAction]) -> Result<Vec<KmsAction>, Said> {
    let on_keys = |action: &KmsAction| action.target() != ActionTarget::None;
    if let Some(other) = asked.iter().find(|action| !on_keys(action)) {
        return Err(said(
            ErrorCode::Validation,
            format_args!("`{other}` is not done to a key"),
        ));
    }
    let all = if asked.is_empty() {
        KmsAction::ALL
    } else {
        asked
    };
    Ok(all.iter().copied().filter(on_keys).collect())
}

/// Root users, users and roles, account by account, from after `after`.
fn principals<'s>(
    state: &'s State,
    only: Option<AccountId>,
    after: Option<&PrincipalArn>,
) -> impl Iterator<Item = PrincipalArn> + 's {
    let after = after.cloned();
    let from = after.as_ref().map(PrincipalArn::account);
    let accounts = state.accounts(None).map(|account| account.id);
    accounts
        .filter(move |id| {
            only.is_none_or(|only| only == *id) && from.is_none_or(|from| *id >= from)
        })
        .flat_map(move |account| {
            let after = after.clone().filter(|after| after.account() == account);
            let kinds = [None, Some(PrincipalType::User), Some(PrincipalType::Role)];
            // How far the page before came within the account.
            let reached = after.as_ref().map(place);
            kinds
                .into_iter()
                .flat_map(move |kind| -> Box<dyn Iterator<Item = PrincipalArn> + 's> {
                    let own = match (reached, kind) {
                        (Some(reached), kind) if kind < reached => {
                            return Box::new(std::iter::empty());
                        }
                        (Some(reached), kind) if kind == reached => after.clone(),
                        _ => None,
                    };
                    match kind {
                        None if own.is_some() => Box::new(std::iter::empty()),
                        None => Box::new(std::iter::once(PrincipalArn::root_of(
                            partition_of(state),
                            account,
                        ))),
                        Some(kind) => Box::new(
                            state
                                .principals(account, kind, own.as_ref())
                                .map(|principal| principal.arn.clone()),
                        ),
                    }
                })
        })
}

fn place(arn: &PrincipalArn) -> Option<PrincipalType> {
    use crate::domain::ids::PrincipalKind;
    match arn.kind() {
        PrincipalKind::User { .. } => Some(PrincipalType::User),
        PrincipalKind::Role { .. } => Some(PrincipalType::Role),
        _ => None,
    }
}

/// The partition of the cluster's principals; all are of one.
fn partition_of(state: &State) -> crate::domain::ids::Partition {
    let mut stored = state.accounts(None).flat_map(|account| {
        let users = state.principals(account.id, PrincipalType::User, None);
        users.chain(state.principals(account.id, PrincipalType::Role, None))
    });
    stored
        .next()
        .map_or(crate::domain::ids::Partition::Aws, |one| {
            one.arn.partition()
        })
}

/// What a principal may do to a key, or in its account; actions that are alike stand together.
pub(super) fn reached(
    cx: &Context<'_>,
    principal: &PrincipalArn,
    key: Option<&Arc<Key>>,
    actions: &[KmsAction],
    of_account: &mut OfAccount,
) -> Vec<Reached> {
    let Some(caller) = caller(cx.state, principal) else {
        return Vec::new();
    };
    let pairs = EncryptionContext::new();
    let on = key.map(|key| &key.arn);
    let holdings = Holdings::of(
        cx.state,
        &caller.identity,
        on,
        cx.now,
        cx.effort,
        of_account,
    );
    let mut alike: BTreeMap<Access, Vec<KmsAction>> = BTreeMap::new();
    for action in actions {
        let request = Request {
            caller: &caller,
            scope: cx.scope,
            action: (*action).into(),
            target: match key {
                Some(key) => Target::Key { key, alias: None },
                None => Target::Account(principal.account()),
            },
            encryption_context: &pairs,
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cx.now,
        };
        match access(cx.state, &request, &holdings, cx.effort) {
            Access::Never => {}
            found => alike.entry(found).or_default().push(*action),
        }
    }
    let key = key.map(|key| key.arn.clone());
    alike
        .into_iter()
        .map(|(access, actions)| Reached {
            principal: principal.clone(),
            key: key.clone(),
            actions,
            access,
        })
        .collect()
}

/// The principal as a caller; a role as any session of it.
fn caller(state: &State, principal: &PrincipalArn) -> Option<Caller> {
    let identity = if principal.is_root() {
        Identity::Root {
            account: principal.account(),
            task_policy: None,
        }
    } else {
        let stored = state.principal(principal)?;
        let unique_id = stored.unique_id.clone();
        match stored.kind {
            PrincipalType::User => Identity::User {
                arn: principal.clone(),
                unique_id,
            },
            PrincipalType::Role => {
                let name = match principal.kind() {
                    crate::domain::ids::PrincipalKind::Role { name, .. } => name,
                    _ => return None,
                };
                let (partition, account) = (principal.partition(), principal.account());
                let session = format!("arn:{partition}:sts::{account}:assumed-role/{name}/any");
                Identity::RoleSession {
                    arn: session.parse().ok()?,
                    role: principal.clone(),
                    unique_id,
                    session_policy: None,
                    session_tags: Default::default(),
                }
            }
        }
    };
    Some(Caller {
        identity,
        facts: RequestFacts::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::authz::authorize_within;
    use crate::domain::effort::Effort;
    use crate::domain::limits::PAGE_WORK;
    use crate::domain::op::testing::{
        ADMIN, ALLOW_ALL, APP, BOB, CAROL, Cluster, EXT, OWNER, arn, caller, check_rows,
        create_grant, key, page, scope,
    };
    use crate::domain::op::{Command, Cut, Query, query_within, tag_principal::TagPrincipal};
    use crate::domain::state::grant::GrantOperation;

    fn who_can(actions: &[KmsAction], page: Page) -> Query {
        Query::WhoCan(WhoCan {
            key: key(1),
            actions: actions.to_vec(),
            page,
        })
    }

    fn told(cluster: &Cluster, who: &str, actions: &[KmsAction]) -> Vec<Reached> {
        let (mut all, mut page) = (Vec::new(), Page::default());
        page.limit = Some(2);
        loop {
            match cluster.ask(who, by_arn(actions, page.clone())) {
                Ok(Answer::Access { items, next }) => {
                    all.extend(items);
                    if next.is_none() {
                        return all;
                    }
                    page.marker = next;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn by_arn(actions: &[KmsAction], page: Page) -> Query {
        Query::WhoCan(WhoCan {
            key: KeyRef::KeyArn(crate::domain::op::testing::key_arn(1)),
            actions: actions.to_vec(),
            page,
        })
    }

    fn names(told: &[Reached]) -> Vec<&str> {
        let mut names: Vec<&str> = told.iter().map(|one| one.principal.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Every page together tells of every principal that may, once, with what lets it; conditions on the request are
    /// told and not guessed.
    #[test]
    fn who_can_tells_who_may_and_what_lets_them() {
        let mut cluster = Cluster::new();
        cluster.put_policy(CAROL, ALLOW_ALL);
        let mut grant = create_grant(1, BOB);
        grant.context_subset = Arc::new([("a".into(), "1".into())].into());
        cluster.done(ADMIN, Command::CreateGrant(grant));
        cluster.done(ADMIN, Command::CreateGrant(create_grant(2, EXT)));
        cluster.put_policy(
            APP,
            r#"{"Version":"2012-10-17","Statement":[{"Sid":"Via","Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}]}"#,
        );
        let told = told(&cluster, "operator", &[KmsAction::Decrypt]);
        let root = format!("arn:aws:iam::{OWNER}:root");
        assert_eq!(names(&told), [APP, &root, ADMIN, BOB, CAROL, EXT]);
        let of = |arn: &str| {
            let one = told
                .iter()
                .find(|one| one.principal.as_str() == arn)
                .unwrap();
            one.access.clone()
        };
        match of(BOB) {
            Access::Conditional { by, on } => {
                assert!(by.starts_with("grant 0101"), "{by}");
                assert_eq!(on.len(), 1, "{on:?}");
                assert!(on[0].starts_with("the constraints of grant 0101"), "{on:?}");
            }
            other => panic!("{other:?}"),
        }
        match of(APP) {
            Access::Conditional { by, on } => {
                assert!(by.contains("statement `Via`"), "{by}");
                assert_eq!(on, ["StringEquals kms:ViaService"]);
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(of(EXT), Access::Always { by } if by.starts_with("grant 0202")));
        assert!(matches!(of(CAROL), Access::Always { by } if by.contains("identity_policy")));
    }

    /// EC-58: grants that stand before others on the key hide none of them, whatever their number and operation: an access review
    /// must not miss access. The access is the one that the decision gives.
    #[test]
    fn grant_of_the_action_is_found_behind_hundreds_of_others() {
        let mut cluster = Cluster::new();
        for n in 0..600_u16 {
            let mut grant = create_grant(1, BOB);
            grant.grant_id.0[..2].copy_from_slice(&n.to_be_bytes());
            grant.operations = vec![GrantOperation::Encrypt];
            grant.context_equals = Arc::new([("n".into(), n.to_string().into())].into());
            cluster.done(ADMIN, Command::CreateGrant(grant));
        }
        cluster.done(ADMIN, Command::CreateGrant(create_grant(0xff, BOB)));
        let all = [KmsAction::Decrypt, KmsAction::Encrypt];
        let of_bob: Vec<Reached> = told(&cluster, "operator", &all)
            .into_iter()
            .filter(|one| one.principal.as_str() == BOB)
            .collect();
        let by = |action| {
            let one = of_bob.iter().find(|one| one.actions.contains(&action));
            one.map(|one| one.access.clone())
        };
        match by(KmsAction::Decrypt) {
            Some(Access::Always { by }) => assert!(by.starts_with("grant ffff"), "{by}"),
            other => panic!("{other:?}"),
        }
        match by(KmsAction::Encrypt) {
            Some(Access::Conditional { by, on }) => {
                assert!(by.starts_with("grant 0000"), "{by}");
                assert_eq!(on.len(), 1, "{on:?}");
                assert!(on[0].contains("one of 599 other grants"), "{on:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    /// EC-58, G-27, G-28, G-50: a constraint limits the operations that it is looked at for, and a right to retire is one.
    #[test]
    fn constraints_make_conditional_what_they_limit_and_nothing_else() {
        let mut cluster = Cluster::new();
        let mut grant = create_grant(1, BOB);
        grant.operations = vec![
            GrantOperation::Decrypt,
            GrantOperation::DescribeKey,
            GrantOperation::RetireGrant,
        ];
        grant.context_subset = Arc::new([("a".into(), "1".into())].into());
        cluster.done(ADMIN, Command::CreateGrant(grant));
        let mut grant = create_grant(2, CAROL);
        grant.retiring = Some(EXT.into());
        cluster.done(ADMIN, Command::CreateGrant(grant));
        let all = [
            KmsAction::Decrypt,
            KmsAction::DescribeKey,
            KmsAction::RetireGrant,
        ];
        let found = told(&cluster, "operator", &all);
        let of = |who: &str, action| {
            let one = found
                .iter()
                .find(|one| one.principal.as_str() == who && one.actions.contains(&action));
            one.map(|one| matches!(one.access, Access::Always { .. }))
        };
        assert_eq!(of(BOB, KmsAction::Decrypt), Some(false));
        assert_eq!(of(BOB, KmsAction::DescribeKey), Some(true));
        assert_eq!(of(BOB, KmsAction::RetireGrant), Some(true));
        assert_eq!(of(EXT, KmsAction::RetireGrant), Some(true));
        assert_eq!(of(CAROL, KmsAction::RetireGrant), None);
    }

    /// EC-59: a page ends by the work that it took, wherever it is asked; all pages together tell all.
    #[test]
    fn page_ends_by_its_work_and_the_next_goes_on() {
        let mut cluster = costly();
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
        cluster.done(ADMIN, Command::CreateGrant(create_grant(2, EXT)));
        let (mut found, mut marker, mut pages) = (Vec::new(), None, 0);
        loop {
            let uncut = |_: u64| u64::MAX;
            let effort = Effort::new(&uncut);
            let question = by_arn(&[KmsAction::Decrypt], page(100, marker));
            let answer = query_within(
                &cluster.state,
                &caller("operator"),
                &scope(),
                cluster.state.clock(),
                &[],
                &question,
                &effort,
            );
            let Ok(Ok(Answer::Access { items, next })) = answer else {
                panic!("{answer:?}");
            };
            // One more than fits is begun.
            assert!(effort.spent() < 2 * PAGE_WORK, "{}", effort.spent());
            assert!(effort.spent() >= PAGE_WORK || next.is_none());
            found.extend(items);
            pages += 1;
            marker = next;
            if marker.is_none() {
                break;
            }
        }
        assert!(pages > 1);
        // A session's tags are the request's: what depends on them is told as such.
        assert_eq!(names(&found), [APP, ADMIN, BOB, EXT]);
    }

    /// EC-59: of work that was cut there is no answer, and no decision that allows.
    #[test]
    fn work_that_is_cut_allows_nothing() {
        let mut cluster = costly();
        cluster.put_policy(BOB, ALLOW_ALL);
        cluster.done(ADMIN, Command::CreateGrant(create_grant(1, BOB)));
        let key = cluster
            .state
            .key(&crate::domain::op::testing::key_arn(1))
            .unwrap();
        let (scope, pairs) = (scope(), EncryptionContext::new());
        let after = |who: &str, most: u64| {
            let request = Request {
                caller: &caller(who),
                scope: &scope,
                action: KmsAction::Decrypt.into(),
                target: Target::Key { key, alias: None },
                encryption_context: &pairs,
                about: About::Nothing,
                token_grants: &[],
                parameters: Parameters::FromFront,
                now: cluster.state.clock(),
            };
            let more = |spent: u64| most.saturating_sub(spent).min(100);
            let effort = Effort::new(&more);
            let decision = authorize_within(&cluster.state, &request, Some(&effort));
            (effort.is_cut(), decision.is_allow())
        };
        // The admin is allowed by the first statement, Bob by his grant at the end.
        for who in [ADMIN, BOB] {
            assert_eq!(after(who, u64::MAX), (false, true), "{who}");
            for most in [0, 60, 1_000, 20_000] {
                assert_eq!(after(who, most), (true, false), "{who} {most}");
            }
        }
        let none = |_: u64| 0;
        let question = by_arn(&[], page(100, None));
        let (state, now) = (&cluster.state, cluster.state.clock());
        let effort = Effort::new(&none);
        let answer = query_within(
            state,
            &caller("operator"),
            &scope,
            now,
            &[],
            &question,
            &effort,
        );
        assert!(matches!(answer, Err(Cut)));
    }

    /// A cluster in which each look at the key's policy is a lot of work for its users and roles, and allows nobody else.
    fn costly() -> Cluster {
        let mut cluster = Cluster::new();
        let root = format!("arn:aws:iam::{OWNER}:root");
        for who in [ADMIN, APP, BOB, CAROL] {
            let tag = TagPrincipal {
                arn: arn(who),
                tags: [("t".into(), "a".repeat(256).into())].into(),
            };
            cluster.done(&root, Command::TagPrincipal(tag));
        }
        let pattern = format!("*{}b", "?a".repeat(60));
        let patterns = vec![format!("\"{pattern}\""); 200].join(",");
        cluster.put_key_policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}},
            {{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"StringLike":{{"aws:PrincipalTag/t":[{patterns}]}}}}}}]}}"#
        ));
        cluster
    }

    /// A denial that depends on the request makes what is allowed conditional; one that does not takes it away.
    #[test]
    fn denials_are_taken_against_the_caller() {
        let mut cluster = Cluster::new();
        cluster.put_policy(BOB, ALLOW_ALL);
        cluster.put_key_policy(&format!(
            r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"{OWNER}"}},"Action":"kms:*","Resource":"*"}},
            {{"Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*","Condition":{{"IpAddress":{{"aws:SourceIp":"192.0.2.0/24"}}}}}},
            {{"Effect":"Deny","Principal":{{"AWS":"{BOB}"}},"Action":"kms:Decrypt","Resource":"*","Condition":{{"StringEquals":{{"kms:KeySpec":"SYMMETRIC_DEFAULT"}}}}}}]}}"#
        ));
        let of_bob = |action| {
            let told = told(&cluster, ADMIN, &[action]);
            told.into_iter()
                .find(|one| one.principal.as_str() == BOB)
                .map(|one| one.access)
        };
        assert!(
            matches!(of_bob(KmsAction::Encrypt), Some(Access::Conditional { on, .. }) if on == ["IpAddress aws:SourceIp"])
        );
        assert_eq!(of_bob(KmsAction::Decrypt), None);
        assert!(matches!(
            of_bob(KmsAction::DescribeKey),
            Some(Access::Always { .. })
        ));
    }

    /// Whoever is not the operator is told of its own account alone.
    #[test]
    fn principals_of_other_accounts_are_told_to_the_operator_alone() {
        let mut cluster = Cluster::new();
        cluster.done(ADMIN, Command::CreateGrant(create_grant(2, EXT)));
        let names = |who: &str| {
            let told = told(&cluster, who, &[KmsAction::Decrypt]);
            told.iter().any(|one| one.principal.as_str() == EXT)
        };
        assert!(names("operator"));
        assert!(!names(ADMIN));
    }

    #[test]
    fn who_can_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let refused = |who: &str, query| cluster.ask(who, query).unwrap_err();
        let bad = Page {
            limit: Some(0),
            marker: None,
        };
        let nowhere = Query::WhoCan(WhoCan {
            key: key(9),
            actions: vec![KmsAction::ListKeys],
            page: bad.clone(),
        });
        check_rows(vec![
            (
                "no key",
                refused(BOB, nowhere),
                "NotFoundException",
                "does not exist",
            ),
            (
                "a bad page",
                refused(BOB, who_can(&[KmsAction::ListKeys], bad)),
                "ValidationException",
                "limit",
            ),
            (
                "an action without a key",
                refused(BOB, who_can(&[KmsAction::ListKeys], Page::default())),
                "ValidationException",
                "kms:ListKeys",
            ),
            (
                "no right to read",
                refused(BOB, who_can(&[], Page::default())),
                "AccessDeniedException",
                "kms:GetKeyPolicy",
            ),
        ]);
    }
}
