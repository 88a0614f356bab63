//! What the admin port shows at `/configz`: the configuration in use, which may change while the process lives.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

/// A configuration without secrets, as it is shown. Clones show the same.
#[derive(Debug, Clone, Default)]
pub struct Shown(Arc<RwLock<Value>>);

impl Shown {
    /// Shows this until another is set.
    #[must_use]
    pub fn new(value: Value) -> Self {
        Self(Arc::new(RwLock::new(value)))
    }

    /// Shows this from now on.
    pub fn set(&self, value: Value) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }

    /// What is shown now.
    #[must_use]
    pub fn get(&self) -> Value {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
