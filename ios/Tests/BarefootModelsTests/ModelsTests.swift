import Foundation
import XCTest

@testable import Barefoot
@testable import BarefootModels

/// The view models over the real core.
@MainActor
final class ModelsTests: XCTestCase, @unchecked Sendable {
  func testThePhonesKeyOpensUntilADoctorHasAPIN() async throws {
    let (session, home) = try await Phone(self).opened()
    home.doctors()
    let doctors = try at(session, Place.doctors)
    await doctors.list()
    XCTAssertEqual(try loaded(doctors.all), [])
    doctors.name = "李建国"
    doctors.pin = "1"
    await doctors.add()
    XCTAssertNotNil(doctors.failure, "a PIN that anybody guesses is refused")
    doctors.pin = "285714"
    await doctors.add()
    XCTAssertNil(doctors.failure)
    XCTAssertEqual(doctors.added, "李建国")
    XCTAssertEqual(try loaded(doctors.all).map(\.name), ["李建国"])
    let phrase = try at(session, Place.phrase)
    await phrase.make()
    let words = try loaded(phrase.words)
    XCTAssertEqual(words.count, 12)
    XCTAssertTrue(phrase.warning.contains("谁也打不开"), phrase.warning)
    await phrase.make()
    XCTAssertEqual(try loaded(phrase.words), words, "the words on the screen stay the ones that open")
    phrase.written()
    XCTAssertEqual(session.path.here, .doctors(doctors))

    await home.lock()
    XCTAssertNil(session.clinic)
    let door = try at(session, Place.door)
    await door.ask()
    XCTAssertEqual(door.doctors?.map(\.name), ["李建国"])
    XCTAssertTrue(door.hasPhrase)
    await door.open(needed: "needed")
    XCTAssertEqual(door.failure, "needed")
    door.pin = "111111"
    await door.open(needed: "needed")
    XCTAssertNotNil(door.failure)
    XCTAssertEqual(door.pin, "", "a refused PIN is not kept")
    XCTAssertEqual(session.path.here, .door(door))
    door.pin = "285714"
    await door.open(needed: "needed")
    XCTAssertNil(door.failure)
    try await at(session, Place.home).lock()

    try at(session, Place.door).recover()
    let recovery = try at(session, Place.recovery)
    recovery.phrase = words.dropFirst().joined(separator: " ")
    await recovery.open()
    XCTAssertNotNil(recovery.failure)
    recovery.phrase = words.joined(separator: " ")
    await recovery.open()
    let behind = try at(session, Place.doctors)
    await behind.list()
    behind.change(try XCTUnwrap(loaded(behind.all).first))
    let new = try at(session, Place.newPIN)
    new.pin = "314159"
    await new.save()
    XCTAssertNil(new.failure)
    XCTAssertEqual(session.path.here, .doctors(behind))
    await session.lock()
    let last = try at(session, Place.door)
    await last.ask()
    last.pin = "314159"
    await last.open(needed: "needed")
    _ = try at(session, Place.home)
  }

  func testEveryFindingThatCanBeTappedIsUnderstoodAsItselfInBothLanguages() async throws {
    for language in Language.allCases {
      let (session, home) = try await Phone(self).opened(language)
      home.examine()
      let examination = try at(session, Place.examination)
      await examination.read()
      for aspect in Aspect.allCases {
        let findings = try XCTUnwrap(examination.findings[aspect])
        XCTAssertEqual(findings.map(\.id), aspect.findings)
        for finding in findings {
          examination.toggle(finding)
          examination.assess(needed: "needed")
          await examination.job?.value
          let answer = try at(session, Place.answer)
          let understood = answer.understood.filter(\.present).map(\.id)
          XCTAssertTrue(understood.contains(finding.id), "\(language) \(examination.words()): \(understood)")
          session.path.back(from: .answer(answer))
          examination.toggle(finding)
        }
      }
      XCTAssertEqual(examination.words(), "")
    }
  }

  func testAPhotoWithFindingsBecomesAStoredVisitOfAPatient() async throws {
    let (session, home) = try await Phone(self).opened()
    home.examine()
    let examination = try at(session, Place.examination)
    await examination.read()
    examination.assess(needed: "needed")
    XCTAssertEqual(examination.failure, "needed")
    examination.add(try sample())
    examination.toggle(try XCTUnwrap(examination.findings[.seen]?.first { $0.id == "colour-black" }))
    examination.text = "手背黑痣三年，近期无变化，无水疱"
    examination.age = "54"
    examination.sex = .female
    examination.site = " 手背 "
    XCTAssertEqual(examination.request().site, "手背")
    examination.assess(needed: "needed")
    XCTAssertTrue(examination.working)
    await examination.job?.value
    XCTAssertFalse(examination.working)

    let answer = try at(session, Place.answer)
    switch answer.verdict {
    case .named, .cannotTell: XCTAssertFalse(answer.set(prototype: { $0 }).isEmpty)
    default: XCTFail("a photo of a lesion: \(answer.verdict)")
    }
    await answer.look()
    let map = try XCTUnwrap(loaded(answer.heatMap))
    XCTAssertEqual(Array(map.prefix(4)), [0x89, 0x50, 0x4e, 0x47], "a PNG file")
    let candidates = answer.candidates
    XCTAssertGreaterThan(candidates.count, 1)
    XCTAssertLessThanOrEqual(candidates.count, 5)
    XCTAssertFalse(try XCTUnwrap(candidates.first).supports.isEmpty)
    let card = try XCTUnwrap(answer.card)
    XCTAssertEqual(card.disease, candidates.first?.name)
    XCTAssertFalse(card.text.isEmpty)
    XCTAssertFalse(answer.notice.isEmpty)
    XCTAssertTrue(answer.understood.contains { $0.id == "vesicle" && !$0.present }, "what is denied is shown as denied")
    answer.read(candidates[0].slug)
    let reading = try at(session, Place.reading)
    await reading.read()
    XCTAssertEqual(reading.title(try loaded(reading.article)), candidates[0].name)
    session.path.back(from: .reading(reading))

    answer.choosePatient()
    let patients = try at(session, Place.patients)
    XCTAssertTrue(patients.forAnswer)
    patients.add()
    let form = try at(session, Place.patientForm)
    await form.save()
    XCTAssertNotNil(form.failure, "a patient needs a name")
    form.name = "王秀英"
    form.age = "54"
    await form.save()
    XCTAssertNil(form.failure)
    XCTAssertEqual(session.path.here, .answer(answer))
    let id = try XCTUnwrap(answer.visit)
    await answer.store(for: nil)
    XCTAssertEqual(answer.visit, id, "a visit is stored once")

    answer.openVisit()
    let visit = try at(session, Place.visit)
    await visit.read()
    let stored = try loaded(visit.visit)
    XCTAssertEqual(stored.summary.patientName, "王秀英")
    XCTAssertEqual(visit.photos.count, 1)
    XCTAssertEqual(visit.aid?.level, answer.level)
    XCTAssertEqual(visit.aid?.lines, candidates.map { "\($0.name)  \($0.share)" })
    XCTAssertTrue(stored.diagnoses.isEmpty, "the aid never diagnoses")
    visit.diagnosis = "色素痣"
    await visit.diagnose()
    XCTAssertEqual(try loaded(visit.visit).diagnoses.map(\.words), ["色素痣"])
    XCTAssertEqual(visit.diagnosis, "")

    session.path.back(from: .visit(visit))
    try at(session, Place.home).patients()
    let search = try at(session, Place.patients)
    search.query = "wxy"
    await search.look()
    await search.choose(try XCTUnwrap(loaded(search.found).first))
    let record = try at(session, Place.patientRecord)
    await record.read()
    XCTAssertEqual(try loaded(record.patient).name, "王秀英")
    let line = try XCTUnwrap(loaded(record.visits).first)
    XCTAssertEqual(line.site, "手背")
    XCTAssertEqual(line.photos, 1)
    record.open(line)
    _ = try at(session, Place.visit)
  }

  func testNoPictureIsNamedThatIsNoPhotoOfALesion() async throws {
    let (session, home) = try await Phone(self).opened()
    home.examine()
    let examination = try at(session, Place.examination)
    func verdict(_ picture: String) async throws -> Verdict {
      examination.add(try Data(contentsOf: repository.appendingPathComponent(picture)))
      examination.assess(needed: "needed")
      await examination.job?.value
      examination.removePhoto(at: 0)
      let answer = try at(session, Place.answer)
      session.path.back(from: .answer(answer))
      return answer.verdict
    }
    let white = try await verdict("docs/encyclopedia.png")
    guard case .badPhoto(let reasons) = white else { return XCTFail("a white page: \(white)") }
    XCTAssertTrue(reasons.contains { $0.contains("过曝") }, "\(reasons)")
    let dark = try await verdict("docs/android/12-phrase-en.png")
    XCTAssertEqual(dark, .notSkin)
    let page = try await verdict("docs/diagnose.png")
    XCTAssertEqual(page, .outOfScope, "a page with writing is unlike anything that the model knows")
  }

  func testASecondRecordOfOnePersonIsMadeOnlyWhenTheDoctorSaysSo() async throws {
    let (session, home) = try await Phone(self).opened()
    for turn in 0...1 {
      home.patients()
      let list = try at(session, Place.patients)
      list.add()
      let form = try at(session, Place.patientForm)
      form.name = "王秀英"
      form.age = "54"
      form.village = "柳树村"
      await form.save()
      if turn == 1 {
        XCTAssertEqual(form.duplicates.map(\.name), ["王秀英"])
        XCTAssertEqual(session.path.here, .patientForm(form))
        await form.save()
      }
      session.path.back(from: .patientRecord(try at(session, Place.patientRecord)))
      await list.look()
      XCTAssertEqual(try loaded(list.found).count, turn + 1)
      session.path.back(from: .patients(list))
    }
  }

  func testDangerIsSaidFirstAndWithItsReasons() async throws {
    let (session, home) = try await Phone(self).opened(.en)
    home.examine()
    let examination = try at(session, Place.examination)
    examination.text = "purple spots that do not fade when pressed, high fever, drowsy"
    examination.age = "4"
    examination.assess(needed: "needed")
    await examination.job?.value
    let answer = try at(session, Place.answer)
    XCTAssertEqual(answer.level, .e)
    XCTAssertFalse(answer.urgencyReasons.isEmpty)
    XCTAssertEqual(answer.verdict, .noPhoto)
    XCTAssertNil(try loaded(answer.heatMap))
  }

  func testAnAnswerSaysHowTheDoctorStandsAndALockedOneNamesNoDisease() async throws {
    let phone = try Phone(self)
    let (session, home) = try await phone.opened(.en)
    func assess() async throws -> BarefootModels.Answer {
      home.examine()
      let examination = try at(session, Place.examination)
      examination.text = "itchy ring with scale, for weeks"
      examination.assess(needed: "needed")
      await examination.job?.value
      return try at(session, Place.answer)
    }
    let free = try await assess()
    XCTAssertTrue(try XCTUnwrap(free.standing).contains("unverified"))
    XCTAssertFalse(free.locked)
    XCTAssertFalse(free.candidates.isEmpty)

    session.path.restart(.home(home))
    try phone.trust()
    let locked = try await assess()
    XCTAssertTrue(locked.locked)
    XCTAssertTrue(locked.candidates.isEmpty)
    XCTAssertNil(locked.card)
    await locked.store(for: nil)
    locked.openVisit()
    let visit = try at(session, Place.visit)
    visit.diagnosis = "tinea"
    await visit.diagnose()
    let diagnosis = try XCTUnwrap(loaded(visit.visit).diagnoses.first)
    XCTAssertTrue(visit.unverified(diagnosis))
  }

  func testAFileThatIsNoPhotoIsRefusedInTheReadersLanguage() async throws {
    for (language, word) in [(Language.zh, "图片"), (.en, "picture")] {
      let (session, home) = try await Phone(self).opened(language)
      home.examine()
      let examination = try at(session, Place.examination)
      examination.add(Data("no picture".utf8))
      examination.assess(needed: "needed")
      await examination.job?.value
      XCTAssertEqual(session.path.here, .examination(examination))
      XCTAssertTrue(examination.failure?.contains(word) ?? false, "\(String(describing: examination.failure))")
      XCTAssertFalse(examination.working)
    }
  }

  func testTheEncyclopediaAnswersToNamesPinyinAndTypingThatGoesOn() async throws {
    let (session, home) = try await Phone(self).opened()
    home.encyclopedia()
    let search = try at(session, Place.search)
    search.query = "yxb"
    await search.look()
    XCTAssertTrue(try loaded(search.hits).contains { search.name($0).contains("银屑病") })
    search.query = ""
    await search.look()
    XCTAssertEqual(try loaded(search.hits), [])
    search.query = "体癣"
    await search.look()
    search.open(try XCTUnwrap(loaded(search.hits).first))
    let reading = try at(session, Place.reading)
    await reading.read()
    let article = try loaded(reading.article)
    XCTAssertTrue(reading.title(article).hasPrefix("体癣"), reading.title(article))
    XCTAssertFalse(reading.sections(article).isEmpty)
    XCTAssertTrue(reading.sections(article).allSatisfy { !$0.title.isEmpty && !$0.text.isEmpty })
    reading.open(try XCTUnwrap(article.lookAlikes.first))
    XCTAssertNotEqual(session.path.here, .reading(reading))
  }

  func testSharesAreWholePerCentAndNeverNothing() async {
    XCTAssertEqual(Answer.share(0.004), "<1\u{a0}%")
    XCTAssertEqual(Answer.share(0.01), "1\u{a0}%")
    XCTAssertEqual(Answer.share(0.62), "62\u{a0}%")
    XCTAssertEqual(Answer.share(1), "100\u{a0}%")
  }

  func testLanguagesAndDays() async throws {
    XCTAssertEqual(Language(code: "zh-Hans"), .zh)
    XCTAssertEqual(Language(code: "zh_HK"), .zh)
    XCTAssertEqual(Language(code: "en"), .en)
    XCTAssertEqual(Language(code: "zhx"), .en)
    let day = "2026-06-15T12:00:00.123Z"
    XCTAssertEqual(try Phone(self).session(.zh).day(day), "2026年6月15日")
    XCTAssertEqual(try Phone(self).session(.en).day(day), "Jun 15, 2026")
  }
}
