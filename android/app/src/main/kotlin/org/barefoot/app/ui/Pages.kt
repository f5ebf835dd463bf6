package org.barefoot.app.ui

import org.barefoot.app.MainActivity
import org.barefoot.app.model.Answer
import org.barefoot.app.model.Doctors
import org.barefoot.app.model.Door
import org.barefoot.app.model.Examination
import org.barefoot.app.model.Home
import org.barefoot.app.model.Model
import org.barefoot.app.model.NewPin
import org.barefoot.app.model.PatientForm
import org.barefoot.app.model.PatientRecord
import org.barefoot.app.model.Patients
import org.barefoot.app.model.Phrase
import org.barefoot.app.model.Reading
import org.barefoot.app.model.Recovery
import org.barefoot.app.model.Search
import org.barefoot.app.model.SyncState
import org.barefoot.app.model.Visit
import org.barefoot.app.model.Visits

/** The page of a place. */
internal fun page(place: Model, activity: MainActivity): Page = when (place) {
    is Door -> DoorPage(place, activity)
    is Recovery -> RecoveryPage(place, activity)
    is Home -> HomePage(place, activity)
    is Doctors -> DoctorsPage(place, activity)
    is NewPin -> NewPinPage(place, activity)
    is Phrase -> PhrasePage(place, activity)
    is SyncState -> SyncPage(place, activity)
    is Examination -> ExaminationPage(place, activity)
    is Answer -> AnswerPage(place, activity)
    is Patients -> PatientsPage(place, activity)
    is PatientForm -> PatientFormPage(place, activity)
    is PatientRecord -> PatientRecordPage(place, activity)
    is Visits -> VisitsPage(place, activity)
    is Visit -> VisitPage(place, activity)
    is Search -> SearchPage(place, activity)
    is Reading -> ReadingPage(place, activity)
    else -> error("no page for ${place.javaClass.name}")
}
