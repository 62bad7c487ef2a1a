//! Figures to plots as SVG, in a size that a page of documentation shows: bars and lines, both with logarithmic scales.

use anyhow::{Result, ensure};
use plotters::coord::combinators::IntoLogRange as _;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: u32 = 900;
const FONT: &str = "sans-serif";
/// Colours that the colour-blind can tell apart (Okabe and Ito), the first for what the page is about.
const COLOURS: [RGBColor; 9] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(120, 120, 120),
    RGBColor(0, 0, 0),
    RGBColor(190, 190, 190),
];

/// Horizontal bars, one group below the other; `values` of a group are in the order of `names`. Values must be positive.
pub(crate) fn bars(
    title: &str,
    unit: &str,
    names: &[&str],
    groups: &[(String, Vec<f64>)],
) -> Result<String> {
    let all = groups.iter().flat_map(|(_, values)| values).copied();
    // To the right, room for the text of the longest bar.
    let (least, most) = bounds(all, 6.0)?;
    let rows = names.len() + 1;
    let (rows_f, groups_f) = (float(rows), float(groups.len()));
    let height = u32::try_from(110 + 15 * rows * groups.len())?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 18))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(150)
            .build_cartesian_2d((least..most).log_scale(), groups_f * rows_f..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .max_light_lines(0)
            .y_labels(0)
            .x_desc(unit)
            .x_label_formatter(&|value| short(*value))
            .draw()?;
        let right = TextStyle::from((FONT, 12)).pos(Pos::new(HPos::Right, VPos::Center));
        let plain = TextStyle::from((FONT, 11)).pos(Pos::new(HPos::Left, VPos::Center));
        for (group, (label, values)) in groups.iter().enumerate() {
            let top = float(group * rows);
            for (row, (name, value)) in names.iter().zip(values).enumerate() {
                let y = top + float(row) + 0.5;
                let colour = COLOURS[row % COLOURS.len()];
                let area = [(least, y), (value.max(least), y + 0.85)];
                chart.draw_series([Rectangle::new(area, colour.filled())])?;
                let at = (value.max(least) * 1.05, y + 0.43);
                let text = format!("{name}  {}", short(*value));
                chart.draw_series([Text::new(text, at, plain.clone())])?;
            }
            let (_, y) = chart.backend_coord(&(least, top + rows_f / 2.0));
            root.draw(&Text::new(label.clone(), (152, y), right.clone()))?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// A line for each name through its points, which must be positive.
pub(crate) fn lines(
    title: &str,
    (x_text, y_text): (&str, &str),
    lines: &[(String, Vec<(f64, f64)>)],
) -> Result<String> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let (left, right) = bounds(points().map(|point| point.0), 1.3)?;
    let (low, high) = bounds(points().map(|point| point.1), 1.6)?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, 480)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 18))
            .margin(10)
            .margin_right(190)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((left..right).log_scale(), (low..high).log_scale())?;
        chart
            .configure_mesh()
            .max_light_lines(0)
            .x_labels(8)
            .x_desc(x_text)
            .y_desc(y_text)
            .x_label_formatter(&|value| short(*value))
            .y_label_formatter(&|value| short(*value))
            .draw()?;
        for (row, (name, points)) in lines.iter().enumerate() {
            let colour = COLOURS[row % COLOURS.len()];
            chart.draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?;
            chart.draw_series(
                points
                    .iter()
                    .map(|point| Circle::new(*point, 3, colour.filled())),
            )?;
            let y = 60 + 18 * i32::try_from(row)?;
            root.draw(&Rectangle::new([(725, y), (739, y + 10)], colour.filled()))?;
            root.draw(&Text::new(name.clone(), (745, y), (FONT, 13)))?;
        }
        root.present()?;
    }
    Ok(svg)
}

/// Room for every value on a logarithmic scale, up to `room` times the most.
fn bounds(values: impl Iterator<Item = f64>, room: f64) -> Result<(f64, f64)> {
    let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
    for value in values {
        ensure!(
            value.is_finite() && value > 0.0,
            "{value} cannot be plotted"
        );
        (least, most) = (least.min(value), most.max(value));
    }
    ensure!(most > 0.0, "there is nothing to plot");
    Ok((least / 1.3, most * room))
}

/// A number as people say it: `1.2 k`, `35 M`.
pub(crate) fn short(value: f64) -> String {
    let (value, suffix) = match value {
        1e6.. => (value / 1e6, " M"),
        1e3.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    match value {
        100.0.. => format!("{value:.0}{suffix}"),
        10.0.. => format!("{}{suffix}", (value * 10.0).round() / 10.0),
        _ => format!("{}{suffix}", (value * 100.0).round() / 100.0),
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_names_what_it_shows() {
        let groups = [("A".to_owned(), vec![10.0, 2e6])];
        let svg = bars("Title", "answers", &["one", "two"], &groups).unwrap();
        assert!(svg.contains("<svg") && svg.contains("two  2 M") && svg.contains("Title"));
        let points = [("one".to_owned(), vec![(1e3, 5.0), (5e4, 50.0)])];
        let svg = lines("Title", ("rate", "µs"), &points).unwrap();
        assert!(svg.contains("<svg") && svg.contains("one") && svg.contains("rate"));
    }

    #[test]
    fn what_has_no_logarithm_is_refused() {
        assert!(bars("t", "u", &["one"], &[("A".to_owned(), vec![0.0])]).is_err());
        assert!(
            lines(
                "t",
                ("x", "y"),
                &[("one".to_owned(), vec![(1.0, f64::NAN)])]
            )
            .is_err()
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(1234.0), "1.23 k");
        assert_eq!(short(35.25), "35.3");
        assert_eq!(short(4.5e7), "45 M");
    }
}
