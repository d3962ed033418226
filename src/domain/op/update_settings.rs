//! `UpdateSettings`: changes replicated settings; for the operator alone.

use super::context::{Change, Context};
use super::refusal::{Said, bad_member, refusals, said};
use super::{ErrorCode, Event, Output};
use crate::domain::authz::{Allowed, Denied, require_operator};
use crate::domain::ids::Regions;
use crate::domain::limits::GRANTS_PER_KEY_MAX;
use crate::domain::policy::Profile;
use crate::domain::state::State;
use crate::domain::state::grant::ConstraintKeyCase;
use crate::domain::state::settings::Settings;

/// Changes replicated settings: what is absent stays. The staleness bound and the clock rate are not among them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UpdateSettings {
    /// How policy variables without a value are taken (C-12).
    pub profile: Option<Profile>,
    /// The quota of grants of a customer managed key (G-19). Keys that have more keep theirs.
    pub grants_per_key_max: Option<u32>,
    /// The quota of grants of one grantee on one key (G-19); 0: none.
    pub grants_per_principal_max: Option<u32>,
    /// How the keys of constraints on the encryption context compare (G-26, U-12); of the grants that are there, too.
    pub constraint_key_case: Option<ConstraintKeyCase>,
    /// The Regions that the cluster serves, all of them (ID-46).
    pub regions: Option<Regions>,
}

refusals! {
    /// Why UpdateSettings is refused, in the order of its checks.
    Refusal {
        /// A quota that cannot be.
        Shape(Said),
        /// It is for the operator.
        Denied(Denied),
        /// A Region that would be served no more has keys or custom key stores.
        InUse(Said),
    }
}

/// Refuses to leave what a Region holds where nobody reaches it (ID-46).
fn check_left(state: &State, now: Regions, wanted: Regions) -> Result<(), Said> {
    let left = now.without(wanted).filter_map(|name| name.parse().ok());
    for region in left {
        let what = match (
            state.has_keys_in(now.partition(), &region),
            state.has_key_stores_in(now.partition(), &region),
        ) {
            (true, _) => "keys",
            (false, true) => "custom key stores",
            (false, false) => continue,
        };
        return Err(said(
            ErrorCode::ConstraintViolation,
            format_args!(
                "the Region {region} has {what}, which nobody could reach any more: delete them first, or go on serving it"
            ),
        ));
    }
    Ok(())
}

impl Change for UpdateSettings {
    type Refusal = Refusal;
    type Plan = Settings;

    fn plan(&self, cx: &Context<'_>) -> Result<(Allowed, Settings), Refusal> {
        let quota = |value: Option<u32>, least: u32, path: &str| match value {
            Some(value) if !(least..=GRANTS_PER_KEY_MAX).contains(&value) => {
                let must = format!("have value between {least} and {GRANTS_PER_KEY_MAX}");
                Err(Refusal::Shape(bad_member(value, path, must)))
            }
            _ => Ok(()),
        };
        quota(self.grants_per_key_max, 1, "grantsPerKeyMax")?;
        quota(self.grants_per_principal_max, 0, "grantsPerPrincipalMax")?;
        let allowed = require_operator(cx.caller, "grantd:UpdateSettings")?;
        let now = *cx.state.settings();
        if let Some(wanted) = self.regions {
            check_left(cx.state, now.regions, wanted).map_err(Refusal::InUse)?;
        }
        let settings = Settings {
            profile: self.profile.unwrap_or(now.profile),
            grants_per_key_max: self.grants_per_key_max.unwrap_or(now.grants_per_key_max),
            grants_per_principal_max: match self.grants_per_principal_max {
                None => now.grants_per_principal_max,
                Some(0) => None,
                some => some,
            },
            constraint_key_case: self.constraint_key_case.unwrap_or(now.constraint_key_case),
            regions: self.regions.unwrap_or(now.regions),
            ..now
        };
        Ok((allowed, settings))
    }

    fn enact(settings: Settings, state: &mut State) -> (Output, Vec<Event>) {
        state.put_settings(settings);
        (Output::Done, vec![Event::SettingsChanged])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Command;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, caller, check_rows};

    fn update(change: impl FnOnce(&mut UpdateSettings)) -> Command {
        let mut command = UpdateSettings::default();
        change(&mut command);
        Command::UpdateSettings(command)
    }

    #[test]
    fn update_settings_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "no grants at all, not the operator",
                cluster.refusal(ADMIN, update(|c| c.grants_per_key_max = Some(0))),
                "ValidationException",
                "at 'grantsPerKeyMax'",
            ),
            (
                "more than a key can have",
                cluster.refusal(ADMIN, update(|c| c.grants_per_principal_max = Some(50_001))),
                "ValidationException",
                "at 'grantsPerPrincipalMax'",
            ),
            (
                "not the operator",
                cluster.refusal(ADMIN, update(|c| c.regions = Some(regions("us-west-2")))),
                "AccessDeniedException",
                "operator",
            ),
            (
                "a Region that has a key",
                cluster.refusal(
                    "operator",
                    update(|c| c.regions = Some(regions("us-west-2"))),
                ),
                "ConstraintViolationException",
                "the Region eu-west-1 has keys",
            ),
        ]);
    }

    fn regions(text: &str) -> Regions {
        text.parse().unwrap()
    }

    /// ID-46: Regions come and go; one that has a key or a custom key store stays, also under another partition's.
    #[test]
    fn region_that_holds_something_is_served_on() {
        let mut cluster = Cluster::new();
        let set = |text: &str| update(|c| c.regions = Some(regions(text)));
        cluster.done("operator", set("eu-west-1"));
        cluster.done("operator", set("eu-west-1, us-west-2"));
        cluster.done("operator", set("eu-west-1"));
        assert_eq!(cluster.state.settings().regions.to_string(), "eu-west-1");
        for text in ["us-west-2", "cn-north-1"] {
            let (code, message) = cluster.refusal("operator", set(text));
            assert_eq!(code, "ConstraintViolationException");
            assert!(
                message.starts_with("the Region eu-west-1 has keys"),
                "{message}"
            );
        }
        let mut empty = Cluster::empty();
        empty.done(
            "system",
            Command::Bootstrap(crate::domain::op::bootstrap::tests::good()),
        );
        empty.done("operator", set("us-west-2"));
        empty.done("operator", set("cn-north-1"));
        assert_eq!(empty.state.settings().regions.to_string(), "cn-north-1");
    }

    #[test]
    fn settings_change_one_by_one() {
        let mut cluster = Cluster::new();
        let before = *cluster.state.settings();
        cluster.done("operator", update(|c| c.grants_per_key_max = Some(7)));
        cluster.done("operator", update(|c| c.grants_per_principal_max = Some(5)));
        let expected = Settings {
            grants_per_key_max: 7,
            grants_per_principal_max: Some(5),
            ..before
        };
        assert_eq!(*cluster.state.settings(), expected);
        cluster.done("operator", update(|c| c.grants_per_principal_max = Some(0)));
        assert_eq!(cluster.state.settings().grants_per_principal_max, None);
        let insensitive = ConstraintKeyCase::Insensitive;
        cluster.done(
            "operator",
            update(|c| c.constraint_key_case = Some(insensitive)),
        );
        let expected = Settings {
            grants_per_key_max: 7,
            constraint_key_case: insensitive,
            ..before
        };
        assert_eq!(*cluster.state.settings(), expected);
        cluster.done("operator", update(|c| c.grants_per_key_max = Some(8)));
        assert_eq!(cluster.state.settings().constraint_key_case, insensitive);
    }

    /// U-12: nodes compare fingerprints, so the setting is part of them once it is switched on.
    #[test]
    fn fingerprint_tells_the_letter_case_of_constraint_keys() {
        let state = |case| {
            let mut state = Cluster::new().state;
            state.put_settings(Settings {
                constraint_key_case: case,
                ..*state.settings()
            });
            state.fingerprint()
        };
        let sensitive = state(ConstraintKeyCase::Sensitive);
        assert_eq!(sensitive, Cluster::new().state.fingerprint());
        assert_ne!(sensitive, state(ConstraintKeyCase::Insensitive));
    }

    /// C-12: with the rules of 2020 a Deny that holds a variable without a value does not act; with today's it does.
    #[test]
    fn profile_of_2020_skips_a_statement_with_a_null_variable() {
        let mut cluster = Cluster::new();
        cluster.put_policy(
            BOB,
            r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Action":"kms:*","Resource":"*"},
            {"Effect":"Deny","Action":"kms:DescribeKey","Resource":"*",
             "Condition":{"StringNotEquals":{"kms:RequestAlias":"alias/${aws:PrincipalTag/Project}"}}}]}"#,
        );
        let may = |cluster: &Cluster| cluster.decision(&caller(BOB), "kms:DescribeKey").is_allow();
        assert!(!may(&cluster));
        cluster.done(
            "operator",
            update(|c| c.profile = Some(Profile::Legacy2020)),
        );
        assert!(may(&cluster));
        cluster.done("operator", update(|c| c.profile = Some(Profile::Current)));
        assert!(!may(&cluster));
    }
}
