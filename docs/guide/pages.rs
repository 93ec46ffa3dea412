//! The guide's pages as tests: every block of Rust in them is compiled, and run unless it is marked `no_run`.
//!
//! A page is a line here and a line in `src/SUMMARY.md`; a test compares the two. `build.rs` gives each program in a page its bound.

#[cfg(any(test, doctest))]
macro_rules! pages {
    ($($page:ident $file:literal)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!(env!("OUT_DIR"), "/", $file))]
            mod $page {}
        )*

        #[cfg(test)]
        const PAGES: &[&str] = &[$($file),*];
    };
}

/// The page that a stranger sees first.
#[cfg(doctest)]
#[doc = include_str!(concat!(env!("OUT_DIR"), "/README.md"))]
mod readme {}

#[cfg(any(test, doctest))]
pages! {
    introduction "introduction.md"
    first_job "first-job.md"
    how_beanstalkd_thinks "how-beanstalkd-thinks.md"
    producers "producers.md"
    workers "workers.md"
    by_hand "by-hand.md"
    tower "tower.md"
    typed_jobs "typed-jobs.md"
    servers "servers.md"
    tls "tls.md"
    testing "testing.md"
    watching "watching.md"
    performance "performance.md"
    embedding "embedding.md"
    fuzzing "fuzzing.md"
    recipes "recipes.md"
    faq "faq.md"
    moving "moving.md"
    comparison "comparison.md"
}

#[test]
fn every_page_of_the_summary_is_tested() {
    let summary = include_str!("src/SUMMARY.md");
    let linked = summary.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    assert_eq!(linked.collect::<Vec<_>>(), PAGES);
}

/// As wide as `book.css` makes the pages, so that nothing has to be scrolled to be read.
#[test]
fn every_line_of_code_fits_its_page() {
    const COLUMNS: usize = 108;
    for page in PAGES {
        let text = std::fs::read_to_string(format!("src/{page}")).unwrap();
        let blocks = text.split("```").skip(1).step_by(2);
        let wide = blocks.flat_map(str::lines).filter(|line| line.chars().count() > COLUMNS);
        assert_eq!(wide.collect::<Vec<_>>(), Vec::<&str>::new(), "{page}");
    }
}
