//! `DescribeKey`: tells the facts of a key.

use super::context::{Context, Question};
use super::refusal::refusals;
use super::{Answer, KeyDescription};
use crate::domain::authz::Denied;
use crate::domain::authz::request::{About, Parameters, Target};
use crate::domain::authz::resolve::{AliasUse, Unresolved};
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use crate::domain::state::grant::EncryptionContext;

/// Tells the facts of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DescribeKey {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
}

refusals! {
    /// Why DescribeKey is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for DescribeKey {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key(&self.key, AliasUse::Accepted)?;
        let alias = self.key.alias();
        cx.ask(
            KmsAction::DescribeKey.into(),
            Target::Key { key, alias },
            Parameters::NONE,
            &EncryptionContext::new(),
            About::Nothing,
        )?;
        Ok(Answer::Key(KeyDescription::of(cx.state, (**key).clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, EXT, check_rows, key, key_arn};
    use crate::domain::op::{Command, Query, create_alias};

    fn describe(text: &str) -> Query {
        Query::DescribeKey(DescribeKey {
            key: text.parse().unwrap(),
        })
    }

    /// ID-1 to ID-9 with AWS's texts.
    #[test]
    fn describe_key_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        let unknown = "11111111-2222-4333-8444-555555555555";
        check_rows(vec![
            ("unknown id", cluster.ask(BOB, describe(unknown)).unwrap_err(), "NotFoundException", "Key 'arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-4333-8444-555555555555' does not exist"),
            ("unknown id, another account", cluster.ask(EXT, describe(unknown)).unwrap_err(), "NotFoundException", "Key 'arn:aws:kms:eu-west-1:444455556666:key/"),
            ("another Region", cluster.ask(BOB, describe("arn:aws:kms:us-east-1:111122223333:key/11111111-2222-4333-8444-555555555555")).unwrap_err(), "NotFoundException", "Invalid arn us-east-1"),
            ("unknown alias", cluster.ask(BOB, describe("alias/none")).unwrap_err(), "NotFoundException", "Alias arn:aws:kms:eu-west-1:111122223333:alias/none is not found."),
            ("no permission", cluster.ask(BOB, describe(&key(1).to_string())).unwrap_err(), "AccessDeniedException", "kms:DescribeKey on resource: arn:aws:kms:eu-west-1:111122223333:key/"),
        ]);
    }

    /// ID-4, ID-6: a key is named by id, ARN, alias name and alias ARN; an alias resolves in the caller's account.
    #[test]
    fn key_is_found_by_each_of_its_names() {
        let mut cluster = Cluster::new();
        let alias = create_alias::CreateAlias {
            alias: "alias/a".into(),
            target: key(1),
        };
        cluster.done(ADMIN, Command::CreateAlias(alias));
        let arn = key_arn(1).to_string();
        for name in [
            &*key(1).to_string(),
            &arn,
            "alias/a",
            "arn:aws:kms:eu-west-1:111122223333:alias/a",
        ] {
            assert!(
                matches!(cluster.ask(ADMIN, describe(name)), Ok(Answer::Key(k)) if k.key.arn == key_arn(1))
            );
        }
        let (code, _) = cluster.ask(EXT, describe("alias/a")).unwrap_err();
        assert_eq!(code, "NotFoundException");
        let (code, _) = cluster.ask(EXT, describe(&arn)).unwrap_err();
        assert_eq!(code, "AccessDeniedException");
    }
}
