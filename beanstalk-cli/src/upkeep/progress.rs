//! A progress bar on standard error; none where that is no terminal.

use beanstalk_sync::Progress;
use indicatif::{ProgressBar, ProgressStyle};

#[derive(Clone, Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// Of a verb, as in "deleted".
    pub(super) fn new(what: &'static str) -> Self {
        let bar = ProgressBar::no_length();
        bar.set_prefix(what);
        bar.set_style(style("{prefix} {msg}  {elapsed}"));
        Self(bar)
    }

    pub(super) fn set(&self, progress: Progress) {
        if let Some(ahead) = progress.ahead {
            if self.0.length().is_none() {
                self.0.set_style(style("{prefix} {msg}  {wide_bar} {percent}%  {eta}"));
            }
            self.0.set_length(progress.looked_at.saturating_add(ahead));
            self.0.set_position(progress.looked_at);
        }
        self.0.set_message(format!("{}", progress.done));
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are those above, and valid.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
