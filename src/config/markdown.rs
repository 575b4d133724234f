//! The table of options as people read it.

use super::options::OPTIONS;

/// A table whose columns stand under each other.
pub(super) fn markdown() -> String {
    let code = |text: &str| if text.is_empty() { "(none)".to_owned() } else { format!("`{text}`") };
    let mut rows = vec![["option", "value", "default", "meaning"].map(str::to_owned), ["-"; 4].map(str::to_owned)];
    rows.extend(
        OPTIONS.iter().map(|option| {
            [code(option.name), option.value.to_owned(), code(option.default), option.meaning.to_owned()]
        }),
    );
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in &rows {
        for (width, cell) in widths.into_iter().zip(row) {
            let fill = if cell == "-" { '-' } else { ' ' };
            table.push_str("| ");
            table.push_str(cell);
            table.extend(std::iter::repeat_n(fill, width - cell.chars().count()));
            table.push(' ');
        }
        table.push_str("|\n");
    }
    table
}
