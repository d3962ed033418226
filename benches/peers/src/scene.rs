//! What is asked, of whichever engine.

use crate::world::{APP, CONSOLE_USER, STRANGER, grantee};

/// The facts that an engine decides by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Facts {
    /// The key policy that the console of KMS writes.
    Console,
    /// The experiment of E-7: an administrator denied what is not named by the alias of the project that it is tagged with.
    Abac,
    /// Grants on one key, each of another grantee.
    GrantsOfMany(u32),
    /// Grants on one key, all of one grantee, each for another encryption context.
    GrantsOfOne(u32),
}

/// One question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// ARN of the user or role.
    pub principal: String,
    /// As KMS names it.
    pub action: &'static str,
    /// The alias by which the key is named.
    pub alias: Option<&'static str>,
    /// The file of the encryption context that [`crate::world::file_context`] makes.
    pub file: Option<u32>,
}

/// Facts and two questions.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Its name in the report.
    pub name: &'static str,
    /// By what is decided.
    pub facts: Facts,
    /// Every engine allows it.
    pub allowed: Question,
    /// Every engine denies it.
    pub denied: Question,
}

/// An engine that holds the facts of a scene.
pub trait Engine {
    /// A question in the engine's own form.
    type Asked;

    /// The engine, with the facts of a scene.
    fn with(facts: Facts) -> Self;

    /// The question as the engine wants it.
    fn ask(&self, question: &Question) -> Self::Asked;

    /// Whether it is allowed.
    fn decide(&self, asked: &Self::Asked) -> bool;
}

impl Scene {
    /// The scenes; the grants in each of these numbers.
    pub fn all(sizes: &[u32]) -> Vec<Self> {
        let plain = |principal: &str| Question {
            principal: principal.to_owned(),
            action: "Decrypt",
            alias: None,
            file: None,
        };
        let by_alias = |alias| Question {
            principal: APP.to_owned(),
            action: "DescribeKey",
            alias: Some(alias),
            file: None,
        };
        let of_file = |file| Question {
            file: Some(file),
            ..plain(APP)
        };
        let mut scenes = vec![
            Self {
                name: "console key policy",
                facts: Facts::Console,
                allowed: plain(CONSOLE_USER),
                denied: plain(STRANGER),
            },
            Self {
                name: "ABAC by tag and alias",
                facts: Facts::Abac,
                allowed: by_alias(crate::ours::PROJECT_ALIAS),
                denied: by_alias(crate::ours::OTHER_ALIAS),
            },
        ];
        for &size in sizes {
            scenes.push(Self {
                name: "grants of many",
                facts: Facts::GrantsOfMany(size),
                allowed: plain(&grantee(size / 2)),
                denied: plain(STRANGER),
            });
            scenes.push(Self {
                name: "grants of one",
                facts: Facts::GrantsOfOne(size),
                allowed: of_file(size / 2),
                denied: of_file(size),
            });
        }
        scenes
    }

    /// How many grants the scene has.
    pub const fn size(&self) -> u32 {
        match self.facts {
            Facts::Console | Facts::Abac => 0,
            Facts::GrantsOfMany(size) | Facts::GrantsOfOne(size) => size,
        }
    }

    /// Holds an engine to both answers.
    pub fn check<E: Engine>(&self, engine: &E) {
        for (question, expected) in [(&self.allowed, true), (&self.denied, false)] {
            let answer = engine.decide(&engine.ask(question));
            assert_eq!(answer, expected, "{}: {question:?}", self.name);
        }
    }
}
