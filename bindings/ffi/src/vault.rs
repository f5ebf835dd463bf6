//! The phone's keystore as the core's vault.

use barefoot_app::clinic::{self, ClinicError, Secret};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Where a phone keeps its own secret of 32 bytes: Keystore, Keychain.
#[uniffi::export(foreign)]
pub trait KeyVault: Send + Sync + fmt::Debug {
    /// The secret; nothing when none was kept. A vault that cannot be read must fail, which is not the same.
    fn load(&self) -> Result<Option<Vec<u8>>, VaultError>;

    /// Keeps a new secret; must fail when one is there.
    fn save(&self, secret: Vec<u8>) -> Result<(), VaultError>;
}

/// The vault cannot be used.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum VaultError {
    /// Whatever the reason: it may hold anything and is not passed on.
    #[error("this phone's key store cannot be used: unlock the phone and try again")]
    Unavailable,
}

impl From<uniffi::UnexpectedUniFFICallbackError> for VaultError {
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Unavailable
    }
}

/// A foreign vault behind the core's trait.
pub(crate) struct Vault(pub(crate) Arc<dyn KeyVault>);

impl clinic::KeyVault for Vault {
    fn load(&self) -> Result<Option<Secret>, ClinicError> {
        let Some(bytes) = self.0.load().map_err(refused)?.map(Zeroizing::new) else { return Ok(None) };
        let secret = bytes.as_slice().try_into().map_err(|_| ClinicError::Vault)?;
        Ok(Some(Zeroizing::new(secret)))
    }

    fn save(&self, secret: &Secret) -> Result<(), ClinicError> {
        self.0.save(secret.to_vec()).map_err(refused)
    }
}

fn refused(_: VaultError) -> ClinicError {
    ClinicError::Vault
}
