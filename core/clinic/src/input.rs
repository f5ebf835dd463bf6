//! What may be stored of what was typed. Texts are kept exactly as given (emoji, bidirectional controls, Traditional
//! characters) or refused; nothing is cut or cleaned.

use crate::error::{Field, Problem};
use crate::{ClinicError, NewPatient};
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// Most characters of a name, a village, a site.
const SHORT: usize = 200;
/// Most characters of a code or a phone number.
const CODE: usize = 64;
/// Most characters of findings, notes, reasons.
const LONG: usize = 20_000;
/// The oldest age ever verified is 122 years; 150 leaves room for an estimate.
const OLDEST: f64 = 150.0;

fn refuse<T>(field: Field, problem: Problem) -> Result<T, ClinicError> {
    Err(ClinicError::Input { field, problem })
}

/// Checks a text that may be empty.
pub(crate) fn text(field: Field, text: &str) -> Result<(), ClinicError> {
    let limit = match field {
        Field::Name | Field::Village | Field::Site => SHORT,
        Field::Code | Field::Phone => CODE,
        _ => LONG,
    };
    if text.contains('\0') {
        return refuse(field, Problem::Nul);
    }
    // Bytes first: counting the characters of 5 MB is not needed to refuse them.
    if text.len() > limit * 4 || text.chars().count() > limit {
        return refuse(field, Problem::TooLong { limit });
    }
    Ok(())
}

/// Checks a text that must say something.
pub(crate) fn filled(field: Field, given: &str) -> Result<(), ClinicError> {
    if given.trim().is_empty() {
        return refuse(field, Problem::Empty);
    }
    text(field, given)
}

/// Checks a text where there is one.
pub(crate) fn optional(field: Field, given: Option<&str>) -> Result<(), ClinicError> {
    given.map_or(Ok(()), |given| text(field, given))
}

/// Checks an age in years.
pub(crate) fn age(years: Option<f64>) -> Result<(), ClinicError> {
    match years {
        Some(years) if !(0.0..=OLDEST).contains(&years) => refuse(Field::Age, Problem::Impossible),
        _ => Ok(()),
    }
}

/// Checks a calendar date.
pub(crate) fn date(field: Field, given: &str) -> Result<Date, ClinicError> {
    let whole = given.len() == 10 && given.is_ascii();
    match given.parse::<Date>() {
        Ok(date) if whole => Ok(date),
        _ => refuse(field, Problem::NotADate),
    }
}

/// Today where the day begins first (UTC+14): no child of today is refused, wherever its clock stands.
fn latest_today() -> Date {
    Offset::UTC.to_datetime(Timestamp::now() + SignedDuration::from_hours(14)).date()
}

/// Checks a date of birth, which may be a year or a month only.
fn birth_date(given: &str, today: Date) -> Result<(), ClinicError> {
    let first_day = match given.len() {
        4 => format!("{given}-01-01"),
        7 => format!("{given}-01"),
        _ => given.to_owned(),
    };
    let born = date(Field::BirthDate, &first_day)?;
    if born > today {
        return refuse(Field::BirthDate, Problem::InTheFuture);
    }
    if f64::from(today.year() - born.year()) > OLDEST {
        return refuse(Field::BirthDate, Problem::Impossible);
    }
    Ok(())
}

/// Checks a patient; the date of birth to be stored and whether it was reckoned from an age.
pub(crate) fn patient(new: &NewPatient) -> Result<(Option<String>, bool), ClinicError> {
    filled(Field::Name, &new.name)?;
    optional(Field::Code, new.sex.as_deref())?;
    optional(Field::Phone, new.phone.as_deref())?;
    optional(Field::Village, new.village.as_deref())?;
    age(new.age_years)?;
    let today = latest_today();
    match (&new.birth_date, new.age_years) {
        (Some(given), _) => {
            birth_date(given, today)?;
            Ok((Some(given.clone()), false))
        }
        (None, Some(years)) => Ok((Some(format!("{:04}", today.year() - years as i16)), true)),
        (None, None) => Ok((None, false)),
    }
}

/// Checks a new PIN.
pub(crate) fn pin(given: &str) -> Result<(), ClinicError> {
    let first = given.chars().next();
    if given.chars().count() < 6 || given.chars().all(|c| Some(c) == first) {
        return refuse(Field::Pin, Problem::Weak);
    }
    text(Field::Pin, given)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(result: Result<(Option<String>, bool), ClinicError>) -> Problem {
        match result {
            Err(ClinicError::Input { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }

    fn named(name: &str) -> NewPatient {
        NewPatient { name: name.to_owned(), ..NewPatient::default() }
    }

    #[test]
    fn bad_input_is_refused_with_its_reason() {
        assert_eq!(problem(patient(&named(" "))), Problem::Empty);
        assert_eq!(problem(patient(&named(&"王".repeat(5 << 20)))), Problem::TooLong { limit: SHORT });
        assert_eq!(problem(patient(&named("a\0b"))), Problem::Nul);
        let born = |date: &str| patient(&NewPatient { birth_date: Some(date.to_owned()), ..named("王") });
        let next_year = latest_today().year() + 1;
        for (date, why) in [
            (format!("{next_year}-01-01"), Problem::InTheFuture),
            (format!("{next_year}"), Problem::InTheFuture),
            ("2000-02-30".to_owned(), Problem::NotADate),
            ("2000-2-3".to_owned(), Problem::NotADate),
            ("soon".to_owned(), Problem::NotADate),
            ("1700-01-01".to_owned(), Problem::Impossible),
        ] {
            assert_eq!(problem(born(&date)), why, "{date}");
        }
        for age in [-1.0, 151.0, f64::NAN, f64::INFINITY] {
            assert_eq!(problem(patient(&NewPatient { age_years: Some(age), ..named("王") })), Problem::Impossible);
        }
    }

    #[test]
    fn odd_but_honest_input_is_taken_as_it_is() {
        for name in ["王小明", "👩‍⚕️ 李", "\u{202e}gnaW\u{202c}", "阿卜杜拉·买买提", "O'Brien", "𠮷野"]
        {
            assert!(patient(&named(name)).is_ok(), "{name}");
        }
        for date in ["1970", "1970-05", "1970-05-31", "2024-02-29"] {
            assert!(patient(&NewPatient { birth_date: Some(date.to_owned()), ..named("王") }).is_ok(), "{date}");
        }
        // A code of a newer version.
        assert!(patient(&NewPatient { sex: Some("x-newer".to_owned()), ..named("王") }).is_ok());
    }
}
