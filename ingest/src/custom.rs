//! Provider files of one's own: a scheme in a folder of the configuration, in the grammar of the built-in ones, without a rebuild.

use std::path::{Path, PathBuf};

use hooklog_signatures::{Scheme, SchemeError, builtin};

/// The largest provider file, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Why a provider file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CustomError {
    /// It can't be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// It is larger than any provider's.
    #[error("{} is over {LARGEST} bytes: a provider file is a page", path.display())]
    Large {
        /// The file.
        path: PathBuf,
    },
    /// It is none.
    #[error("{}: {error}", path.display())]
    Scheme {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: Box<SchemeError>,
    },
    /// It says that it is another.
    #[error("{} says name = {name:?}: a provider file is called by its name", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name in it.
        name: String,
    },
}

/// The file of a provider that is not built in; none if it can have none.
#[must_use]
pub fn file(name: &str, folder: &Path) -> Option<PathBuf> {
    // A name is no path.
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let is_one = is_name && !folder.as_os_str().is_empty() && builtin(name).is_none();
    is_one.then(|| folder.join(format!("{name}.toml")))
}

/// The provider `name`: the built-in one, else that of `folder`; none if there is neither. A built-in one can't be replaced: what it
/// verifies is known from its name.
///
/// # Errors
/// [`CustomError`] when its file can't be used.
pub fn provider(name: &str, folder: &Path) -> Result<Option<Scheme>, CustomError> {
    if let Some(scheme) = builtin(name) {
        return Ok(Some(scheme.clone()));
    }
    let Some(path) = file(name, folder).filter(|path| path.exists()) else { return Ok(None) };
    let read = |cause| CustomError::Read { path: path.clone(), cause };
    if std::fs::metadata(&path).map_err(read)?.len() > LARGEST {
        return Err(CustomError::Large { path });
    }
    let text = std::fs::read_to_string(&path).map_err(read)?;
    let scheme =
        Scheme::from_toml(&text).map_err(|error| CustomError::Scheme { path: path.clone(), error: Box::new(error) })?;
    if scheme.name != name {
        return Err(CustomError::Name { path, name: scheme.name });
    }
    Ok(Some(scheme))
}
