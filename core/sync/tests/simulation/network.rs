//! A network that does all that networks do, as the dice say: the same seed, the same faults.

use crate::phone::{Phone, element_text};
use crate::server::{FHIR, FILES, Server, photo_in};
use crate::{Dice, Doctors};
use barefoot_sync::{Lost, Net, Request, Response};
use flate2::read::GzDecoder;
use jiff::SignedDuration;
use serde_json::json;
use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash};
use std::io::Read;
use std::rc::Rc;
use std::time::Duration;

pub(crate) struct Network {
    /// All that went over it, so that two runs of a seed can be compared.
    pub(crate) trace: Rc<RefCell<DefaultHasher>>,
    /// Of the doctor at this phone.
    pub(crate) doctor: &'static str,
    pub(crate) server: Rc<RefCell<Server>>,
    pub(crate) phone: Phone,
    pub(crate) doctors: Rc<RefCell<Doctors>>,
    pub(crate) dice: Rc<RefCell<Dice>>,
    /// Faults per thousand requests; 0 for a good network.
    pub(crate) faults: u64,
    pub(crate) now: Duration,
    pub(crate) bytes: u64,
    /// A request that is still under way after its sender gave up.
    pub(crate) late: Option<Request>,
    /// Requests until the phone is killed.
    pub(crate) kill: Option<u32>,
}

impl Network {
    fn roll(&self, sides: u64) -> u64 {
        self.dice.borrow_mut().below(sides)
    }

    /// Hands a request to the server. No patient's record leaves without that patient's word at this very moment.
    fn deliver(&self, request: &Request, arrived: usize) -> Response {
        let state = self.phone.0.borrow();
        let mut text = request.url.clone();
        if request.method == "POST" && request.url == FHIR {
            GzDecoder::new(request.body.as_slice()).read_to_string(&mut text).expect("gzip");
        }
        let without = state.consent.iter().filter(|(_, granted)| !**granted).map(|(patient, _)| patient);
        for patient in without {
            assert!(!text.contains(&format!("\"Patient/{patient}\"")) || text.contains("\"batch\""), "no consent");
        }
        if let Some(photo) = self.photo_in(request) {
            let (encounter, _) = &state.photos[&photo];
            assert!(state.consent[&state.encounters[encounter].0], "no consent for a photo");
        }
        drop(state);
        self.server.borrow_mut().handle(request, arrived)
    }

    /// The photo of which a request carries bytes, or which it announces.
    fn photo_in(&self, request: &Request) -> Option<String> {
        match request.method {
            "PUT" => {
                request.url.strip_prefix(FHIR)?.strip_prefix("/Binary/")?.split("-preview").next().map(str::to_owned)
            }
            "POST" if request.url.starts_with(FILES) => {
                request.headers.iter().find(|(name, _)| *name == "upload-metadata").map(|(_, value)| photo_in(value))
            }
            "PATCH" => {
                let upload = request.url.strip_prefix(FILES)?.trim_start_matches('/');
                self.server.borrow().uploads.get(upload).map(|upload| upload.photo.clone())
            }
            _ => None,
        }
    }

    fn transmit(&mut self, request: &Request) -> Result<Response, Lost> {
        if let Some(late) = self.late.take_if(|_| self.dice.borrow_mut().below(3) == 0) {
            // Consent was there when it was sent; the phone cannot call it back.
            self.server.borrow_mut().handle(&late, late.body.len());
        }
        if self.roll(1000) >= self.faults {
            return Ok(self.deliver(request, request.body.len()));
        }
        let length = request.body.len();
        match self.roll(9) {
            0 => Err(Lost::Broken),
            1 => {
                self.deliver(request, length);
                Err(Lost::Broken)
            }
            2 => {
                let arrived = self.roll(length as u64 + 1) as usize;
                self.deliver(request, arrived);
                Err(Lost::Broken)
            }
            3 => {
                self.now += Duration::from_secs(40);
                self.deliver(request, length);
                Err(Lost::TimedOut)
            }
            4 => {
                self.deliver(request, length);
                Ok(self.deliver(request, length))
            }
            5 => Ok(Response { status: 500, ..Response::default() }),
            6 => {
                let retry = vec![("retry-after".to_owned(), self.roll(30).to_string())];
                Ok(Response { status: 503, headers: retry, ..Response::default() })
            }
            7 => {
                self.deliver(request, length);
                Ok(Response { status: 502, ..Response::default() })
            }
            _ => {
                // A create that comes late can only be refused by a server that knows If-None-Match.
                if self.server.borrow().honours_if_none_match && request.method != "PATCH" {
                    self.late = Some(request.clone());
                }
                Err(Lost::TimedOut)
            }
        }
    }

    /// Consent is withdrawn, or given, while a sync runs.
    fn change_consent(&self) {
        if self.roll(60) == 0 {
            let mut state = self.phone.0.borrow_mut();
            let nth = self.roll(state.consent.len() as u64) as usize;
            if let Some((_, granted)) = state.consent.iter_mut().nth(nth) {
                *granted = !*granted;
            }
        }
    }

    /// What happens elsewhere in the meantime.
    fn meanwhile(&mut self) {
        let (server, mut doctors) = (&self.server, self.doctors.borrow_mut());
        match self.roll(60) {
            3..=5 => doctors.edit_on_phone(&self.phone, &mut self.dice.borrow_mut(), self.doctor),
            0 => doctors.edit_on_server(&mut server.borrow_mut(), &mut self.dice.borrow_mut()),
            1 => doctors.answer(&mut server.borrow_mut(), &mut self.dice.borrow_mut()),
            2 => {
                // The server's clock is set: forward at will, back by less than the pull's overlap.
                let jump = self.dice.borrow_mut().below(4000) as i64 - 25;
                server.borrow_mut().now += SignedDuration::from_secs(jump.max(-25));
            }
            _ => {}
        }
    }
}

impl Net for Network {
    fn send(&mut self, request: &Request) -> Result<Response, Lost> {
        (request.method, &request.url, &request.headers, &request.body, self.now).hash(&mut *self.trace.borrow_mut());
        self.bytes += request.body.len() as u64;
        self.now += Duration::from_millis(600);
        if self.faults == 0 {
            return Ok(self.deliver(request, request.body.len()));
        }
        match &mut self.kill {
            Some(0) => {
                // Killed: with or without the request having arrived.
                if self.roll(2) == 0 {
                    self.deliver(request, request.body.len());
                }
                return Err(Lost::Stopped);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.meanwhile();
        let answer = self.transmit(request);
        self.change_consent();
        answer
    }
    fn wait(&mut self, pause: Duration) -> Result<(), Lost> {
        self.now += pause;
        self.server.borrow_mut().now += SignedDuration::try_from(pause).expect("short");
        Ok(())
    }

    fn elapsed(&self) -> Duration {
        self.now
    }

    fn random(&mut self) -> u64 {
        self.dice.borrow_mut().next()
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Doctors {
    /// A clerk at the hospital corrects a patient, reading before writing.
    pub(crate) fn edit_on_server(&mut self, server: &mut Server, dice: &mut Dice) {
        let patients: Vec<String> =
            server.resources.keys().filter(|reference| reference.starts_with("Patient/")).cloned().collect();
        let Some(reference) = patients.get(dice.below(patients.len() as u64) as usize) else { return };
        let mut resource = server.latest(reference).expect("there").clone();
        let element = crate::ELEMENTS[dice.below(3) as usize];
        let value = self.new_value("hospital");
        self.wrote(reference, element, element_text(&resource, element), &value);
        crate::set_element(&mut resource, element, &value);
        // Something that phones do not know stays there.
        resource["active"] = json!(true);
        server.write(resource);
    }

    /// A doctor changes a patient on a phone, also while that phone syncs.
    pub(crate) fn edit_on_phone(&mut self, phone: &Phone, dice: &mut Dice, who: &str) {
        let mut state = phone.0.borrow_mut();
        let nth = dice.below(state.patients.len() as u64) as usize;
        let patient = state.patients.keys().nth(nth).expect("there is one").clone();
        let element = crate::ELEMENTS[dice.below(3) as usize];
        let value = self.new_value(who);
        let over = state.patients.get_mut(&patient).expect("there").insert(element.to_owned(), value.clone());
        self.wrote(&format!("Patient/{patient}"), element, over, &value);
        state.change("patient", &patient);
    }

    /// A specialist answers a case, or corrects an answer.
    pub(crate) fn answer(&mut self, server: &mut Server, dice: &mut Dice) {
        let cases: Vec<String> =
            server.resources.keys().filter(|reference| reference.starts_with("Encounter/")).cloned().collect();
        let Some(case) = cases.get(dice.below(cases.len() as u64) as usize) else { return };
        let id = format!("answer-{}", case.replace('/', "-"));
        let words = self.new_value("specialist");
        server.write(json!({
            "resourceType": "DiagnosticReport", "id": id, "encounter": { "reference": case }, "conclusion": words,
        }));
    }
}
