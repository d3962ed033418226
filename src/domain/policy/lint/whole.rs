//! What the statements of a document say together: what one lacks, another may say.

use super::super::action::{ActionTarget, KmsAction};
use super::super::context::ContextKey;
use super::super::principal::PolicyPrincipal;
use super::{Subject, conditions, denials, resources};

/// Some of the KMS actions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mask(u64);

impl Mask {
    pub fn of(subject: &Subject<'_>) -> Self {
        subject
            .reached()
            .fold(Self::default(), |mask, action| Self(mask.0 | bit(action)))
    }

    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

const fn bit(action: KmsAction) -> u64 {
    1 << action as u32
}

/// The parts of an alias operation's permission (D-14).
#[derive(Clone, Copy, Default)]
pub(super) struct Halves {
    pub key: bool,
    pub alias: bool,
}

/// What all statements of a document together say.
#[derive(Default)]
pub(super) struct Whole<'a> {
    /// For each alias operation, where it is allowed.
    alias_operations: Vec<(KmsAction, Halves)>,
    /// The services that statements allow, and what.
    services: Vec<(&'a str, Mask)>,
    /// What is allowed without a condition on the network.
    by_any_network: Mask,
    /// What denials say of requests without a key.
    denied_without: Vec<(ContextKey, Mask)>,
}

impl<'a> Whole<'a> {
    pub fn of(subjects: &[Subject<'a>]) -> Self {
        let mut whole = Self::default();
        for subject in subjects {
            if subject.has_no_effect() {
                continue;
            }
            if subject.is_allow() {
                whole.allow(subject);
            } else {
                let mask = Mask::of(subject);
                let read = conditions::read(subject);
                let absences = read.iter().filter(|read| read.wants_absence());
                whole
                    .denied_without
                    .extend(absences.map(|read| (read.key.clone(), mask)));
            }
        }
        whole
    }

    fn allow(&mut self, subject: &Subject<'a>) {
        let read = conditions::read(subject);
        if !read.iter().any(|read| denials::is_network(&read.key)) {
            self.by_any_network.0 |= Mask::of(subject).0;
        }
        let on_aliases = |action: &KmsAction| matches!(action.target(), ActionTarget::KeyAndAlias);
        let mut halves = None;
        for action in subject.reached().filter(on_aliases) {
            let more = *halves.get_or_insert_with(|| resources::halves(subject));
            match self.alias_operations.iter_mut().find(|(a, _)| *a == action) {
                Some((_, known)) => {
                    known.key |= more.key;
                    known.alias |= more.alias;
                }
                None => self.alias_operations.push((action, more)),
            }
        }
        let Some(read) = subject.principals.filter(|read| !read.negated) else {
            return;
        };
        for (entry, _) in &read.entries {
            if let PolicyPrincipal::Service(name) = entry {
                self.services.push((name.as_str(), Mask::of(subject)));
            }
        }
    }

    /// Where an alias operation is allowed.
    pub fn halves(&self, action: KmsAction) -> Halves {
        let known = self.alias_operations.iter().find(|(a, _)| *a == action);
        known.map_or_else(Halves::default, |(_, halves)| *halves)
    }

    /// A service that some statement allows some of these actions.
    pub fn service_with(&self, actions: Mask) -> Option<&'a str> {
        let allowed = self
            .services
            .iter()
            .find(|(_, mask)| mask.intersects(actions));
        allowed.map(|(name, _)| *name)
    }

    /// Whether some of these actions are allowed without a condition on the network.
    pub const fn allows_by_any_network(&self, actions: Mask) -> bool {
        self.by_any_network.intersects(actions)
    }

    /// Whether another denial meets requests without the key.
    pub fn denies_without(&self, key: &ContextKey, actions: Mask) -> bool {
        let mut known = self.denied_without.iter();
        known.any(|(denied, mask)| denied == key && mask.intersects(actions))
    }
}
