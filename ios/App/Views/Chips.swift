import SwiftUI

/// Lays its children in lines, as words in a text.
struct Flow: Layout {
  private let gap: CGFloat = 8

  func sizeThatFits(proposal: ProposedViewSize, subviews: Subviews, cache: inout ()) -> CGSize {
    arrange(in: proposal.width ?? .infinity, subviews).size
  }

  func placeSubviews(in bounds: CGRect, proposal: ProposedViewSize, subviews: Subviews, cache: inout ()) {
    for (subview, frame) in zip(subviews, arrange(in: bounds.width, subviews).frames) {
      subview.place(
        at: CGPoint(x: bounds.minX + frame.minX, y: bounds.minY + frame.minY), proposal: ProposedViewSize(frame.size))
    }
  }

  private func arrange(in width: CGFloat, _ subviews: Subviews) -> (frames: [CGRect], size: CGSize) {
    var frames: [CGRect] = []
    var (x, y, line, widest): (CGFloat, CGFloat, CGFloat, CGFloat) = (0, 0, 0, 0)
    for subview in subviews {
      // A word that is longer than a line wraps within its frame.
      let size = subview.sizeThatFits(ProposedViewSize(width: width.isFinite ? width : nil, height: nil))
      if x > 0, x + size.width > width {
        (x, y, line) = (0, y + line + gap, 0)
      }
      frames.append(CGRect(origin: CGPoint(x: x, y: y), size: size))
      x += size.width + gap
      line = max(line, size.height)
      widest = max(widest, x - gap)
    }
    return (frames, CGSize(width: widest, height: y + line))
  }
}

/// A word in a frame that is on or off.
struct Chip: View {
  let text: String
  let chosen: Bool
  let action: @MainActor () -> Void

  var body: some View {
    Button(action: action) {
      Text(text)
        .padding(.horizontal, 14)
        .padding(.vertical, 8)
        // What can be tapped is at least 44 points high (Apple's Human Interface Guidelines).
        .frame(minWidth: 56, minHeight: 44)
        .foregroundStyle(chosen ? AnyShapeStyle(.background) : AnyShapeStyle(.primary))
        .background(chosen ? AnyShapeStyle(.tint) : AnyShapeStyle(.clear), in: .capsule)
        .overlay(Capsule().strokeBorder(.secondary))
    }
    .buttonStyle(.plain)
    .accessibilityAddTraits(chosen ? .isSelected : [])
  }
}

/// Words of which at most one is on; a second tap takes it off.
struct Choice<Value: Hashable>: View {
  let choices: [Value]
  @Binding var chosen: Value?
  let text: (Value) -> String

  var body: some View {
    Flow {
      ForEach(choices, id: \.self) { choice in
        Chip(text: text(choice), chosen: choice == chosen) { chosen = choice == chosen ? nil : choice }
      }
    }
  }
}
