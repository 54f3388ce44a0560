//! The narration on a terminal or a pipe.
//!
//! poll(2) on standard input. Book: "How to use this book".
//! Invariant: readable at 80 columns; a verdict never depends on colour alone.

use super::{DemoArguments, Session, Verdict, exit};
use crate::{
    Error, Outcome,
    language::Word,
    page::{Ink, Page, pad},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use observe::{
    play::{Played, Ran, without_notes},
    script::{Lang, Place, Script, Step},
};
use std::{io::BufRead, os::fd::AsFd, process::ExitCode, sync::atomic::Ordering};
use unicode_width::UnicodeWidthStr;

/// `demo --list`
pub(super) fn list(scripts: &[Script], lang: Lang) -> Outcome {
    let mut page = Page::new(None)?;
    for script in scripts {
        page.heading(script.stage.title.get(lang), &script.stage.name)?;
        let widest = script.steps.iter().map(|step| step.slug.width()).max().unwrap_or(0);
        for step in &script.steps {
            let slug = page.ink(Ink::Command, &pad(&step.slug, widest + 2));
            page.line(&format!("  {slug}{}", step.title.get(lang)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `demo`
pub(super) fn play(scripts: &[Script], lang: Lang, arguments: &DemoArguments) -> Outcome {
    let mut page = Page::new(arguments.record.as_deref())?;
    let (mut verdicts, mut left_any) = (Vec::new(), false);
    for script in scripts {
        let mut session = Session::new(script)?;
        let mut narrator = Narrator {
            page: &mut page,
            lang,
            pause: arguments.pause,
            session: &mut session,
            ground: Vec::new(),
        };
        let left = narrator.tell(script, arguments.keep, &mut verdicts);
        left_any |= left.map_err(|error| session.ended_by(error))?;
    }
    Ok(exit(&verdicts, left_any))
}

struct Narrator<'a> {
    page: &'a mut Page,
    lang: Lang,
    pause: bool,
    session: &'a mut Session,
    ground: Vec<String>,
}

impl Narrator<'_> {
    fn say(&self, word: Word) -> &'static str {
        word.say(self.lang)
    }

    /// A whole stage; true if it left something.
    fn tell(&mut self, script: &Script, keep: bool, verdicts: &mut Vec<Verdict>) -> Result<bool, Error> {
        self.open(script)?;
        for (number, step) in script.steps.iter().enumerate() {
            verdicts.push(self.step(script, step, number + 1, keep)?);
        }
        self.close(verdicts)
    }

    fn open(&mut self, script: &Script) -> Result<(), Error> {
        let who = if self.session.rootless() { Word::AsOrdinary } else { Word::AsRoot };
        let title = format!("{} ({})", script.stage.title.get(self.lang), script.stage.years);
        self.page.heading(&title, self.say(who))?;
        self.page.paragraph(0, script.stage.intro.get(self.lang))?;
        self.page.line("")?;
        let along = self.page.ink(Ink::Faint, self.say(Word::TypeAlong));
        self.page.line(&along)?;
        let paths: Vec<_> =
            self.session.programs().directories().iter().map(|path| path.display().to_string()).collect();
        let along = [
            &format!("export PATH={}:$PATH", paths.join(":")),
            "cd \"$(mktemp -d)\" && mkdir work && echo canary > canary && cd work",
            "export WORK=$PWD CANARY=$PWD/../canary",
            "probe canary 600 & export CANARY_PID=$!",
        ];
        for line in along {
            self.page.command("  ", line, Ink::Faint)?;
        }
        Ok(())
    }

    fn step(&mut self, script: &Script, step: &Step, number: usize, keep: bool) -> Result<Verdict, Error> {
        self.page.line("")?;
        let title = format!("{number}/{} {}", script.steps.len(), step.title.get(self.lang));
        self.page.heading(&title, &step.slug)?;
        self.page.paragraph(0, step.say.get(self.lang))?;
        self.page.line("")?;
        if self.pause {
            self.ask(step)?;
        }
        let result = self.session.play(script, step, keep)?;
        if let Some(played) = &result.played {
            self.show_set_up(script, step)?;
            self.show(step, played)?;
        }
        self.verdict(step, &result.verdict)?;
        Ok(result.verdict)
    }

    /// Asks for a prediction; Ctrl-C at the question ends the demo.
    fn ask(&mut self, step: &Step) -> Result<(), Error> {
        let question = format!("{} {}", self.say(Word::Prediction), step.ask.get(self.lang));
        self.page.paragraph(2, &question)?;
        let enter = self.page.ink(Ink::Faint, &format!("  {} ", self.say(Word::PressEnter)));
        self.page.write(&enter)?;
        let stdin = std::io::stdin();
        let mut waiting = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let stopped = || match self.session.stop().load(Ordering::Relaxed) {
            true => Err(Error::from(observe::Error::Interrupted)),
            false => Ok(()),
        };
        // poll(2) is never restarted after a signal, read(2) is: so we wait here.
        while poll(&mut waiting, PollTimeout::NONE).is_err() {
            stopped()?;
        }
        if stdin.lock().read_line(&mut String::new())? == 0 {
            stopped()?; // both at once
            self.page.line("")?;
            return Err(Error::Usage("--pause: standard input has ended, nobody can press Enter".into()));
        }
        Ok(self.page.line("")?)
    }

    /// The commands that made the ground, unless the step before stood on the same.
    fn show_set_up(&mut self, script: &Script, step: &Step) -> Result<(), Error> {
        if script.setup(step) == self.ground {
            return Ok(());
        }
        self.ground = script.setup(step).to_vec();
        for line in &self.ground {
            self.page.command("  $ ", line, Ink::Faint)?;
        }
        Ok(())
    }

    fn show(&mut self, step: &Step, played: &Played) -> Result<(), Error> {
        if step.relation.is_some() && self.beside(played)? {
            return Ok(());
        }
        for ran in &played.commands {
            self.command(ran)?;
            self.page.output(4, &ran.output)?;
            self.status(ran)?;
        }
        Ok(())
    }

    /// What is seen inside beside what the host sees.
    fn beside(&mut self, played: &Played) -> Result<bool, Error> {
        let (Some(inside), Some(host)) = (played.seen(Place::Inside), played.seen(Place::Host)) else {
            return Ok(false);
        };
        let half = (self.page.width() - 5) / 2;
        let (left, right) = (without_notes(&inside.output), without_notes(&host.output));
        let too_wide = left.lines().chain(right.lines()).any(|line| line.width() > half);
        if played.commands.len() != 2 || too_wide {
            return Ok(false);
        }
        self.command(inside)?;
        self.command(host)?;
        self.page.line("")?;
        let titles =
            [self.say(Word::Inside), self.say(Word::Host)].map(|title| self.page.ink(Ink::Faint, title));
        let gap = " ".repeat(half.saturating_sub(self.say(Word::Inside).width()));
        let bar = self.page.ink(Ink::Faint, "│");
        self.page.line(&format!("  {}{gap} {bar} {}", titles[0], titles[1]))?;
        let (left, right): (Vec<_>, Vec<_>) = (left.lines().collect(), right.lines().collect());
        Ok(self.page.columns(2, &left, &right)?)
    }

    fn command(&mut self, ran: &Ran) -> Result<(), Error> {
        let prompt = if ran.on == Place::Inside { "  $ " } else { "  host$ " };
        Ok(self.page.command(prompt, &ran.run, Ink::Command)?)
    }

    fn status(&mut self, ran: &Ran) -> Result<(), Error> {
        if ran.status != 0 {
            let status = self.page.ink(Ink::Faint, &format!("[exit status {}]", ran.status));
            self.page.line(&format!("    {status}"))?;
        }
        Ok(())
    }

    fn verdict(&mut self, step: &Step, verdict: &Verdict) -> Result<(), Error> {
        self.page.line("")?;
        match verdict {
            Verdict::Observed => {
                let mark = self.page.ink(Ink::Good, &format!("✔ {}", self.say(Word::Observed)));
                self.page.line(&format!("  {mark}"))?;
                let tell = self.session.part(step).tell().get(self.lang);
                self.page.paragraph(2, tell)?;
            }
            Verdict::Broken(promises) => {
                let mark = self.page.ink(Ink::Bad, &format!("✘ {}", self.say(Word::Broken)));
                self.page.line(&format!("  {mark}"))?;
                promises.iter().try_for_each(|promise| self.page.paragraph(4, promise))?;
            }
            Verdict::Impossible(need, answer) => {
                let mark =
                    self.page.ink(Ink::Warn, &format!("∅ {} ({})", self.say(Word::Impossible), need.name()));
                self.page.line(&format!("  {mark}"))?;
                self.page.paragraph(4, answer.reason.as_deref().unwrap_or_default())?;
                let remedy =
                    answer.remedy.as_deref().map(|text| format!("{}: {text}", self.say(Word::Remedy)));
                remedy.iter().try_for_each(|text| self.page.paragraph(4, text))?;
            }
        }
        Ok(())
    }

    /// The count of verdicts, and the residue check; true if something was left.
    fn close(&mut self, verdicts: &[Verdict]) -> Result<bool, Error> {
        let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
        let counts = [
            (count(|v| matches!(v, Verdict::Observed)), Word::Summary),
            (count(|v| matches!(v, Verdict::Broken(_))), Word::SummaryBroken),
            (count(|v| matches!(v, Verdict::Impossible(..))), Word::SummaryImpossible),
        ];
        let told: Vec<_> =
            counts.iter().map(|(number, word)| format!("{number} {}", self.say(*word))).collect();
        self.page.line("")?;
        self.page.heading(&told.join(" · "), "")?;
        let kept = self.session.kept();
        for path in kept {
            self.page.line(&format!("{} {}", self.say(Word::Kept), path.display()))?;
        }
        let left = self.session.left();
        if left.is_empty() && kept.is_empty() {
            self.page.line(self.say(Word::Clean))?;
        } else if !left.is_empty() {
            let head = self.page.ink(Ink::Bad, self.say(Word::Left));
            self.page.line(&head)?;
            left.iter().try_for_each(|what| self.page.paragraph(2, what))?;
        }
        Ok(!left.is_empty())
    }
}
