//! grantd.

use grantd::domain::authz::authorize;
use grantd::domain::authz::caller::Caller;
use grantd::domain::authz::request::{About, Parameters, Request, Target};
use grantd::domain::ids::AliasName;
use grantd::domain::op::Command;
use grantd::domain::op::create_alias::CreateAlias;
use grantd::domain::op::put_principal_policy::PutPrincipalPolicy;
use grantd::domain::op::tag_principal::TagPrincipal;
use grantd::domain::policy::Action;
use grantd::domain::state::grant::EncryptionContext;
use grantd::domain::time::Timestamp;

use crate::scene::{Engine, Facts, Question};
use crate::world::{self, APP, World};

/// The alias of the project that [`APP`] is tagged with.
pub const PROJECT_ALIAS: &str = "alias/HOGEHOGE";
/// Another alias of the same key.
pub const OTHER_ALIAS: &str = "alias/Test-Key";

const ADMINISTRATOR: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const DENY_OTHER_PROJECTS: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"OnlyOwnProject","Effect":"Deny",
"Action":"kms:DescribeKey","Resource":"arn:aws:kms:*:111122223333:key/*",
"Condition":{"StringNotEquals":{"kms:RequestAlias":"alias/${aws:PrincipalTag/Project}"}}}]}"#;

/// A state.
pub struct Ours {
    world: World,
}

/// What a request borrows.
pub struct Asked {
    caller: Caller,
    action: Action,
    alias: Option<AliasName>,
    context: EncryptionContext,
}

impl Engine for Ours {
    type Asked = Asked;

    fn with(facts: Facts) -> Self {
        let world = World::new();
        let world = match facts {
            Facts::Console => world,
            Facts::Abac => with_abac(world),
            Facts::GrantsOfMany(size) => {
                world.with_grants(size, |n| world::grant(n, &world::grantee(n), None))
            }
            Facts::GrantsOfOne(size) => {
                world.with_grants(size, |n| world::grant(n, APP, Some(world::file_context(n))))
            }
        };
        let mut world = world;
        if let Facts::GrantsOfMany(size) = facts {
            world.caller(&world::grantee(size / 2));
        }
        Self { world }
    }

    fn ask(&self, question: &Question) -> Asked {
        Asked {
            caller: self.world.known_caller(&question.principal),
            action: Action::parse(&format!("kms:{}", question.action)),
            alias: question.alias.map(|alias| alias.parse().unwrap()),
            context: question.file.map(world::file_context).unwrap_or_default(),
        }
    }

    fn decide(&self, asked: &Asked) -> bool {
        let request = Request {
            caller: &asked.caller,
            scope: &self.world.scope,
            action: asked.action.clone(),
            target: Target::Key {
                key: self.world.key(),
                alias: asked.alias.as_ref(),
            },
            encryption_context: &asked.context,
            about: About::Nothing,
            token_grants: &[],
            parameters: Parameters::FromFront,
            now: Timestamp::from_millis(2_000),
        };
        authorize(&self.world.state, &request).is_allow()
    }
}

fn with_abac(mut world: World) -> World {
    let root = world.root();
    let app: grantd::domain::ids::PrincipalArn = APP.parse().unwrap();
    world.apply(
        &root,
        Command::TagPrincipal(TagPrincipal {
            arn: app.clone(),
            tags: [("Project".into(), "HOGEHOGE".into())].into(),
        }),
    );
    for (name, text) in [
        ("AdministratorAccess", ADMINISTRATOR),
        ("OwnProject", DENY_OTHER_PROJECTS),
    ] {
        world.apply(
            &root,
            Command::PutPrincipalPolicy(PutPrincipalPolicy {
                arn: app.clone(),
                name: name.into(),
                policy: text.into(),
            }),
        );
    }
    for alias in [PROJECT_ALIAS, OTHER_ALIAS] {
        world.apply(
            &root,
            Command::CreateAlias(CreateAlias {
                alias: alias.into(),
                target: world.key_ref(),
            }),
        );
    }
    world
}
