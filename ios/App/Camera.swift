import BarefootModels
import PhotosUI
import SwiftUI
import UIKit

/// The system's camera. Gives a JPEG file, or `nil` when none was taken; nothing is written to the phone's photos.
struct Camera: UIViewControllerRepresentable {
  static var isThere: Bool { UIImagePickerController.isSourceTypeAvailable(.camera) }

  let done: @MainActor (Data?) -> Void

  func makeUIViewController(context: Context) -> UIImagePickerController {
    let camera = UIImagePickerController()
    camera.sourceType = .camera
    camera.delegate = context.coordinator
    return camera
  }

  func updateUIViewController(_ camera: UIImagePickerController, context: Context) {}

  func makeCoordinator() -> Coordinator { Coordinator(done: done) }

  @MainActor
  final class Coordinator: NSObject, UIImagePickerControllerDelegate, UINavigationControllerDelegate {
    private let done: @MainActor (Data?) -> Void

    init(done: @escaping @MainActor (Data?) -> Void) {
      self.done = done
    }

    func imagePickerController(
      _ camera: UIImagePickerController, didFinishPickingMediaWithInfo info: [UIImagePickerController.InfoKey: Any]
    ) {
      // The camera's own compression; a smaller one would blur what the network looks at.
      done((info[.originalImage] as? UIImage)?.jpegData(compressionQuality: 0.95))
    }

    func imagePickerControllerDidCancel(_ camera: UIImagePickerController) {
      done(nil)
    }
  }
}

extension Examination {
  /// Adds photos that the doctor has chosen.
  func add(_ items: [PhotosPickerItem]) async {
    for item in items {
      if let photo = try? await item.loadTransferable(type: Data.self) {
        add(photo)
      } else {
        fail(words("examine_unreadable"))
      }
    }
  }
}
