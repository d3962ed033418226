//! Rules of grants that show only over several operations on a whole state (SPEC B, A.3).

use std::sync::Arc;

use super::create_grant::CreateGrant;
use super::list_grants::ListGrants;
use super::list_retirable_grants::ListRetirableGrants;
use super::retire_grant::RetireGrant;
use super::revoke_grant::RevokeGrant;
use super::testing::{
    ADMIN, ALLOW_ALL, BOB, CAROL, Cluster, EXT, OTHER, OWNER, Refused, arn, caller, create_grant,
    create_key, key, key_arn, scope, unique_id,
};
use super::{Answer, Command, DryRun, ListedGrant, Output, Page, Query, delete_principal};
use crate::domain::authz::authorize;
use crate::domain::authz::caller::{Caller, ContextEntry};
use crate::domain::authz::decision::{Decision, Source};
use crate::domain::authz::request::{About, Parameters, Request, Target};
use crate::domain::ids::{GrantId, KeyRef};
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::{EncryptionContext, GrantOperation, GrantPrincipal, Term};

const LAMBDA: &str = "lambda.amazonaws.com";
const EC2: &str = "ec2.amazonaws.com";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:f";

/// Names callers of another account, or of none, may use: by ARN (ID-4).
fn by_arn(n: u8) -> KeyRef {
    KeyRef::KeyArn(key_arn(n))
}

fn decide(cluster: &Cluster, who: &Caller, action: KmsAction, n: u8) -> Decision {
    let key = cluster.state.key(&key_arn(n)).unwrap();
    authorize(
        &cluster.state,
        &Request {
            caller: who,
            scope: &scope(),
            action: action.into(),
            target: Target::Key { key, alias: None },
            encryption_context: &EncryptionContext::new(),
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: cluster.state.clock(),
        },
    )
}

fn may(cluster: &Cluster, who: &str, action: KmsAction) -> bool {
    decide(cluster, &caller(who), action, 1).is_allow()
}

fn retire(n: u8) -> Command {
    Command::RetireGrant(RetireGrant {
        key: by_arn(1),
        grant_id: GrantId([n; 32]).to_string().into(),
        dry_run: DryRun::No,
    })
}

fn list(change: impl FnOnce(&mut ListGrants)) -> Query {
    let mut question = ListGrants {
        key: by_arn(1),
        grant_id: None,
        grantee: None,
        grantee_service: None,
        page: Page::default(),
    };
    change(&mut question);
    Query::ListGrants(question)
}

fn listed(answer: Result<Answer, Refused>) -> Vec<ListedGrant> {
    match answer {
        Ok(Answer::Grants(paged)) => paged.items,
        other => panic!("{other:?}"),
    }
}

fn ids(grants: &[ListedGrant]) -> Vec<u8> {
    grants.iter().map(|grant| grant.id.0[0]).collect()
}

/// Grant 1: Decrypt to Lambda for one function, which EC2 may retire.
fn for_lambda() -> CreateGrant {
    let mut grant = create_grant(1, BOB);
    grant.grantee = None;
    grant.grantee_service = Some(LAMBDA.into());
    grant.source_arn = Some(FUNCTION.into());
    grant.retiring_service = Some(EC2.into());
    grant
}

/// G-9, G-28, G-50.1, P-23: a service uses its grant for the resource that the grant names, and for no other; another
/// service does not; and the service that may retire it does.
#[test]
fn grant_to_a_service_holds_for_that_service_and_its_resource() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, Command::CreateGrant(for_lambda()));
    for (service, source, wanted) in [
        (LAMBDA, Some(FUNCTION), true),
        (
            LAMBDA,
            Some("arn:aws:lambda:eu-west-1:111122223333:function:g"),
            false,
        ),
        (LAMBDA, None, false),
        (EC2, Some(FUNCTION), false),
        (BOB, Some(FUNCTION), false),
    ] {
        let mut who = caller(service);
        if let Some(source) = source {
            let value = ContextEntry::Single(source.into());
            who.facts.context.insert("aws:sourcearn".into(), value);
        }
        let decision = decide(&cluster, &who, KmsAction::Decrypt, 1);
        assert_eq!(decision.is_allow(), wanted, "{service} {source:?}");
    }
    assert_eq!(
        cluster.refusal(LAMBDA, retire(1)).0,
        "AccessDeniedException"
    );
    cluster.done(EC2, retire(1));
    assert!(cluster.state.grants().iter().next().is_none());
}

/// G-31, G-34: the filters for services are for service callers; a service lists what it may retire, and nothing else.
#[test]
fn services_alone_list_by_service() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, Command::CreateGrant(for_lambda()));
    cluster.done(ADMIN, Command::CreateGrant(create_grant(2, BOB)));
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OWNER}:root"}},"Action":"kms:*","Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"Service":"{LAMBDA}"}},"Action":"kms:ListGrants","Resource":"*"}}]}}"#
    ));
    let by_service = || list(|q| q.grantee_service = Some(LAMBDA.into()));
    assert_eq!(ids(&listed(cluster.ask(LAMBDA, by_service()))), [1]);
    assert_eq!(ids(&listed(cluster.ask(LAMBDA, list(|_| ())))), [1, 2]);
    let (code, why) = cluster.ask(ADMIN, by_service()).unwrap_err();
    assert_eq!(code, "ValidationException", "{why}");
    let (code, _) = cluster.ask(EC2, by_service()).unwrap_err();
    assert_eq!(code, "AccessDeniedException");
    let retirable = |service: &str| {
        Query::ListRetirableGrants(ListRetirableGrants {
            retiring: None,
            retiring_service: Some(service.into()),
            page: Page::default(),
        })
    };
    assert_eq!(ids(&listed(cluster.ask(EC2, retirable(EC2)))), [1]);
    assert!(listed(cluster.ask(LAMBDA, retirable(LAMBDA))).is_empty());
    let (code, _) = cluster.ask(LAMBDA, retirable(EC2)).unwrap_err();
    assert_eq!(code, "ValidationException");
}

/// G-1, G-33: what a listed grant tells: its key, grantee, operations, issuing account and time, and no end of its own.
#[test]
fn listed_grant_tells_its_facts_and_has_no_end() {
    let mut cluster = Cluster::new();
    cluster.now = 7_000;
    let mut made = create_grant(1, BOB);
    made.retiring = Some(CAROL.into());
    made.name = Some("n".into());
    cluster.done(ADMIN, Command::CreateGrant(made));
    let [grant] = &listed(cluster.ask(ADMIN, list(|_| ())))[..] else {
        panic!("not one grant");
    };
    let named = |text: &str| GrantPrincipal::Arn {
        arn: arn(text),
        unique_id: unique_id(&arn(text), 0),
    };
    assert_eq!(grant.key, key_arn(1));
    assert_eq!(grant.grantee, named(BOB));
    assert_eq!(grant.retiring, Some(named(CAROL)));
    assert_eq!(
        grant.operations.iter().collect::<Vec<_>>(),
        [GrantOperation::Decrypt]
    );
    assert_eq!(grant.issuing_account.to_string(), OWNER);
    assert_eq!(grant.created_at.as_millis(), 7_000);
    assert_eq!(grant.name.as_deref(), Some("n"));
    assert_eq!(grant.constraints.term, Term::default());
    // However late it is.
    cluster.now = u64::MAX / 2;
    assert_eq!(ids(&listed(cluster.ask(ADMIN, list(|_| ())))), [1]);
    assert!(may(&cluster, BOB, KmsAction::Decrypt));
}

/// G-2, G-3, G-56: a grant allows what no policy does, a policy's deny stands over it, and once ended it allows nothing.
#[test]
fn grant_allows_alone_until_it_is_denied_or_ended() {
    let mut cluster = Cluster::new();
    let own = |more: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{ADMIN}"}},"Action":"kms:*","Resource":"*"}}{more}]}}"#
        )
    };
    cluster.put_key_policy(&own(""));
    assert!(!may(&cluster, EXT, KmsAction::Decrypt));
    for (n, who) in [(1, BOB), (2, EXT)] {
        cluster.done(ADMIN, Command::CreateGrant(create_grant(n, who)));
        let decision = decide(&cluster, &caller(who), KmsAction::Decrypt, 1);
        let by = decision.decided_by().map(|by| (by.source, by.grant));
        assert_eq!(by, Some((Source::Grant, Some(GrantId([n; 32])))), "{who}");
        assert!(!may(&cluster, who, KmsAction::Encrypt));
    }
    let mut denied = cluster.copy();
    denied.put_key_policy(&own(&format!(
        r#",{{"Effect":"Deny","Principal":{{"AWS":"{EXT}"}},"Action":"kms:Decrypt","Resource":"*"}}"#
    )));
    assert!(!may(&denied, EXT, KmsAction::Decrypt));
    assert!(may(&denied, BOB, KmsAction::Decrypt));
    let id = GrantId([1; 32]).to_string();
    cluster.done(
        ADMIN,
        Command::RevokeGrant(RevokeGrant {
            key: key(1),
            grant_id: id.into(),
            dry_run: DryRun::No,
            descendants: Default::default(),
        }),
    );
    cluster.done(ADMIN, retire(2));
    assert!(!may(&cluster, BOB, KmsAction::Decrypt));
    assert!(!may(&cluster, EXT, KmsAction::Decrypt));
}

/// G-8: ReEncrypt takes two permissions on two keys, each by its own mechanism.
#[test]
fn re_encrypt_is_two_permissions_on_two_keys() {
    let mut cluster = Cluster::new();
    cluster.done(ADMIN, Command::CreateKey(create_key(2)));
    let mut from = create_grant(1, BOB);
    from.operations = vec![GrantOperation::ReEncryptFrom];
    cluster.done(ADMIN, Command::CreateGrant(from));
    let arn = key_arn(2);
    cluster.put_policy(BOB, &format!(r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:ReEncryptTo","Resource":"{arn}"}}}}"#));
    let sources = [
        (KmsAction::ReEncryptFrom, 1, Some(Source::Grant)),
        (KmsAction::ReEncryptTo, 2, Some(Source::IdentityPolicy)),
        (KmsAction::ReEncryptFrom, 2, None),
        (KmsAction::ReEncryptTo, 1, None),
    ];
    for (action, on, wanted) in sources {
        let decision = decide(&cluster, &caller(BOB), action, on);
        let found = decision.is_allow().then(|| decision.decided_by());
        assert_eq!(
            found.flatten().map(|by| by.source),
            wanted,
            "{action:?} {on}"
        );
    }
}

/// A cluster in which the other account may use key 1 by its own policies.
fn shared() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.put_key_policy(&format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OWNER}:root"}},"Action":"kms:*","Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{OTHER}:root"}},"Action":"kms:CreateGrant","Resource":"*"}}]}}"#
    ));
    cluster
}

/// G-10, G-18, U-8: a principal of another account makes a grant; it belongs to that account, so a named retry by the
/// owner's account is another grant.
#[test]
fn grant_belongs_to_the_account_that_made_it() {
    let mut cluster = shared();
    cluster.put_policy(EXT, ALLOW_ALL);
    let named = |n: u8| {
        let mut grant = create_grant(n, BOB);
        grant.key = by_arn(1);
        grant.name = Some("n".into());
        Command::CreateGrant(grant)
    };
    let made = |output| match output {
        Output::Grant(created) => (
            created.id.0[0],
            created.grant.unwrap().issuing_account.to_string(),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(made(cluster.done(EXT, named(1))), (1, OTHER.to_owned()));
    assert_eq!(made(cluster.done(EXT, named(2))), (1, OTHER.to_owned()));
    assert_eq!(made(cluster.done(ADMIN, named(3))), (3, OWNER.to_owned()));
}

/// G-50.3, G-50.4, G-54, U-13: the account that made a grant and the account that owns its key may both retire it, by
/// their root users, and by those to whom they delegate; so does an account that is named as the retiring principal.
#[test]
fn accounts_behind_a_grant_retire_it_and_delegate() {
    let mut cluster = shared();
    cluster.put_policy(EXT, ALLOW_ALL);
    let mut foreign = create_grant(1, BOB);
    foreign.key = by_arn(1);
    cluster.done(EXT, Command::CreateGrant(foreign));
    let policy = |effect: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Action":"kms:RetireGrant","Resource":"*"}}}}"#
        )
    };
    cluster.put_policy(EXT, &policy("Allow"));
    let root = |account: &str| format!("arn:aws:iam::{account}:root");
    for (who, wanted) in [
        (&*root(OTHER), true),
        (&*root(OWNER), true),
        (EXT, true),
        (ADMIN, true),
        (CAROL, false),
        (BOB, false),
    ] {
        let done = cluster.copy().run(who, retire(1));
        assert_eq!(done.is_ok(), wanted, "{who}");
    }
    let mut forbidden = cluster.copy();
    forbidden.put_policy(EXT, &policy("Deny"));
    assert_eq!(forbidden.refusal(EXT, retire(1)).0, "AccessDeniedException");

    let mut named = Cluster::new();
    let mut grant = create_grant(2, BOB);
    grant.retiring = Some(root(OTHER).into());
    named.done(ADMIN, Command::CreateGrant(grant));
    assert_eq!(named.refusal(EXT, retire(2)).0, "AccessDeniedException");
    named.copy().done(&root(OTHER), retire(2));
    named.put_policy(EXT, &policy("Allow"));
    named.done(EXT, retire(2));
}

/// G-20: a dry run tells a lack of permission as the operation itself would, and changes nothing either way.
#[test]
fn dry_run_tells_of_a_lack_of_permission_and_changes_nothing() {
    let mut cluster = Cluster::new();
    let mut kept = create_grant(1, BOB);
    kept.retiring = Some(CAROL.into());
    cluster.done(ADMIN, Command::CreateGrant(kept));
    let id = GrantId([1; 32]).to_string();
    let create = || {
        let mut command = create_grant(2, BOB);
        (command.key, command.dry_run) = (by_arn(1), DryRun::Yes);
        Command::CreateGrant(command)
    };
    let retire = || {
        Command::RetireGrant(RetireGrant {
            key: by_arn(1),
            grant_id: id.as_str().into(),
            dry_run: DryRun::Yes,
        })
    };
    let revoke = || {
        Command::RevokeGrant(RevokeGrant {
            key: by_arn(1),
            grant_id: id.as_str().into(),
            dry_run: DryRun::Yes,
            descendants: Default::default(),
        })
    };
    let commands: [&dyn Fn() -> Command; 3] = [&create, &retire, &revoke];
    for command in commands {
        assert_eq!(cluster.refusal(EXT, command()).0, "AccessDeniedException");
        let (code, why) = cluster.refusal(ADMIN, command());
        assert_eq!(code, "DryRunOperationException", "{why}");
    }
    assert_eq!(ids(&listed(cluster.ask(ADMIN, list(|_| ())))), [1]);
}

/// ID-18, X-9, G-4, G-50: who was deleted and made again under the same name has nothing of the old grants, neither to
/// use nor to retire; the listing shows that they are another's, and finds them by the immutable id.
#[test]
fn grants_of_a_deleted_principal_are_not_those_of_its_namesake() {
    let mut cluster = Cluster::new();
    let mut grant = create_grant(1, BOB);
    grant.retiring = Some(CAROL.into());
    cluster.done(ADMIN, Command::CreateGrant(grant));
    let shown = |cluster: &Cluster| {
        let [grant] = &listed(cluster.ask(ADMIN, list(|_| ())))[..] else {
            panic!("not one grant");
        };
        (grant.is_grantee_gone, grant.is_retiring_gone)
    };
    assert_eq!(shown(&cluster), (false, false));
    for who in [BOB, CAROL] {
        let delete = delete_principal::DeletePrincipal { arn: arn(who) };
        cluster.done(ADMIN, Command::DeletePrincipal(delete));
    }
    assert_eq!(shown(&cluster), (true, true));
    for who in [BOB, CAROL] {
        cluster.make_principal(who, 1);
    }
    assert_eq!(shown(&cluster), (true, true));
    let again = |who: &str| {
        let mut again = caller(who);
        if let crate::domain::authz::caller::Identity::User { unique_id: id, .. } =
            &mut again.identity
        {
            *id = unique_id(&arn(who), 1);
        }
        again
    };
    assert!(!decide(&cluster, &again(BOB), KmsAction::Decrypt, 1).is_allow());
    let refused = cluster.copy().run_as(&again(CAROL), retire(1)).unwrap_err();
    assert_eq!(refused.0, "AccessDeniedException");
    let by = |text: Arc<str>| listed(cluster.ask(ADMIN, list(|q| q.grantee = Some(text))));
    assert!(by(BOB.into()).is_empty());
    assert_eq!(ids(&by(unique_id(&arn(BOB), 0).as_str().into())), [1]);
    assert!(by(unique_id(&arn(BOB), 1).as_str().into()).is_empty());
}
