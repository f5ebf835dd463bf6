import Barefoot
import Foundation
import Security

/// The core's vault on a phone: a Keychain item that only this phone can read, and only while it is unlocked.
final class KeychainVault: KeyVault {
  private var item: [CFString: Any] {
    [kSecClass: kSecClassGenericPassword, kSecAttrService: "org.barefoot.app", kSecAttrAccount: "device-key"]
  }

  /// The secret; `nil` when none was kept. Does I/O. Throws when it cannot be read, which is not the same as having none.
  func load() throws -> Data? {
    var query = item
    query[kSecReturnData] = true
    var found: CFTypeRef?
    let status = SecItemCopyMatching(query as CFDictionary, &found)
    if status == errSecItemNotFound { return nil }
    guard status == errSecSuccess, let secret = found as? Data else { throw Refused(status: status) }
    return secret
  }

  /// Keeps a new secret, never over another one. Does I/O.
  func save(secret: Data) throws {
    var new = item
    new[kSecValueData] = secret
    new[kSecAttrAccessible] = kSecAttrAccessibleWhenUnlockedThisDeviceOnly
    let status = SecItemAdd(new as CFDictionary, nil)
    guard status == errSecSuccess else { throw Refused(status: status) }
  }

  /// The core says what to do.
  private struct Refused: Error {
    let status: OSStatus
  }
}
