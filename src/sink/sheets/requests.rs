//! Builds the requests of a batch.

use super::cells::SheetValue;
use super::client::{SheetNote, Tab};
use google_sheets4::FieldMask;
use google_sheets4::api::{
    AddSheetRequest, AppendDimensionRequest, CellData, CellFormat, CopyPasteRequest,
    CreateDeveloperMetadataRequest, DataFilter, DeleteSheetRequest, DeveloperMetadata,
    DeveloperMetadataLocation, DeveloperMetadataLookup, GridCoordinate, GridProperties, GridRange,
    NumberFormat, RepeatCellRequest, Request, RowData, SheetProperties, TextFormat,
    UpdateCellsRequest, UpdateDeveloperMetadataRequest, UpdateSheetPropertiesRequest,
};

/// Rows and columns of a tab, as half-open ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) tab: i32,
    pub(super) rows: (usize, usize),
    pub(super) columns: (usize, usize),
}

/// Sizes were checked against the limits of a spreadsheet, which are far below those of `i32`.
fn int(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn range(area: Area) -> GridRange {
    GridRange {
        sheet_id: Some(area.tab),
        start_row_index: Some(int(area.rows.0)),
        end_row_index: Some(int(area.rows.1)),
        start_column_index: Some(int(area.columns.0)),
        end_column_index: Some(int(area.columns.1)),
    }
}

fn mask(fields: &[&str]) -> Option<FieldMask> {
    Some(FieldMask::new(fields))
}

pub(super) fn add_tab(
    id: i32,
    title: &str,
    (rows, columns): (usize, usize),
    hidden: bool,
) -> Request {
    let properties = SheetProperties {
        sheet_id: Some(id),
        title: Some(title.to_owned()),
        hidden: hidden.then_some(true),
        grid_properties: Some(GridProperties {
            row_count: Some(int(rows)),
            column_count: Some(int(columns)),
            ..GridProperties::default()
        }),
        ..SheetProperties::default()
    };
    Request {
        add_sheet: Some(AddSheetRequest { properties: Some(properties) }),
        ..Request::default()
    }
}

pub(super) fn delete_tab(id: i32) -> Request {
    Request { delete_sheet: Some(DeleteSheetRequest { sheet_id: Some(id) }), ..Request::default() }
}

/// Freezes the first row.
pub(super) fn freeze_header(id: i32) -> Request {
    let properties = SheetProperties {
        sheet_id: Some(id),
        grid_properties: Some(GridProperties {
            frozen_row_count: Some(1),
            ..GridProperties::default()
        }),
        ..SheetProperties::default()
    };
    Request {
        update_sheet_properties: Some(UpdateSheetPropertiesRequest {
            properties: Some(properties),
            fields: mask(&["gridProperties.frozenRowCount"]),
        }),
        ..Request::default()
    }
}

/// Appends rows (`ROWS`) or columns (`COLUMNS`); `None` if there are none to append. Setting a size
/// instead could remove what someone else has added meanwhile.
pub(super) fn append_cells(id: i32, dimension: &str, by: usize) -> Option<Request> {
    let request = AppendDimensionRequest {
        sheet_id: Some(id),
        dimension: Some(dimension.to_owned()),
        length: Some(int(by)),
    };
    (by > 0).then(|| Request { append_dimension: Some(request), ..Request::default() })
}

fn rows(lines: &[Vec<SheetValue>]) -> Vec<RowData> {
    lines
        .iter()
        .map(|line| RowData { values: Some(line.iter().map(SheetValue::data).collect()) })
        .collect()
}

/// Writes values into an area and clears the cells that they do not cover.
pub(super) fn fill_area(area: Area, lines: &[Vec<SheetValue>]) -> Request {
    Request {
        update_cells: Some(UpdateCellsRequest {
            range: Some(range(area)),
            rows: Some(rows(lines)),
            fields: mask(&["userEnteredValue"]),
            start: None,
        }),
        ..Request::default()
    }
}

/// Writes values from a position on.
pub(super) fn fill_from(
    tab: i32,
    (row, column): (usize, usize),
    lines: &[Vec<SheetValue>],
) -> Request {
    let start = GridCoordinate {
        sheet_id: Some(tab),
        row_index: Some(int(row)),
        column_index: Some(int(column)),
    };
    Request {
        update_cells: Some(UpdateCellsRequest {
            start: Some(start),
            rows: Some(rows(lines)),
            fields: mask(&["userEnteredValue"]),
            range: None,
        }),
        ..Request::default()
    }
}

fn repeat(area: Area, format: CellFormat, field: &str) -> Request {
    Request {
        repeat_cell: Some(RepeatCellRequest {
            range: Some(range(area)),
            cell: Some(CellData { user_entered_format: Some(format), ..CellData::default() }),
            fields: mask(&[field]),
        }),
        ..Request::default()
    }
}

pub(super) fn set_bold(area: Area) -> Request {
    let format = CellFormat {
        text_format: Some(TextFormat { bold: Some(true), ..TextFormat::default() }),
        ..CellFormat::default()
    };
    repeat(area, format, "userEnteredFormat.textFormat.bold")
}

/// Sets or removes the number format of an area.
pub(super) fn number_format(area: Area, format: Option<NumberFormat>) -> Request {
    let format = CellFormat { number_format: format, ..CellFormat::default() };
    repeat(area, format, "userEnteredFormat.numberFormat")
}

pub(super) fn copy_area(from: Area, to: Area) -> Request {
    Request {
        copy_paste: Some(CopyPasteRequest {
            source: Some(range(from)),
            destination: Some(range(to)),
            // Only a full copy keeps texts that look like formulas as texts.
            paste_type: Some("PASTE_NORMAL".to_owned()),
            paste_orientation: Some("NORMAL".to_owned()),
        }),
        ..Request::default()
    }
}

/// Writes a note on a tab, in place of an earlier one with the same key.
pub(super) fn set_note(tab: i32, known: Option<&Tab>, key: &str, value: &str) -> Request {
    let earlier: Option<&SheetNote> = known.and_then(|t| t.notes.iter().find(|n| n.key == key));
    match earlier {
        Some(earlier) => {
            let lookup =
                DeveloperMetadataLookup { metadata_id: Some(earlier.id), ..Default::default() };
            Request {
                update_developer_metadata: Some(UpdateDeveloperMetadataRequest {
                    data_filters: Some(vec![DataFilter {
                        developer_metadata_lookup: Some(lookup),
                        ..DataFilter::default()
                    }]),
                    developer_metadata: Some(DeveloperMetadata {
                        metadata_value: Some(value.to_owned()),
                        ..DeveloperMetadata::default()
                    }),
                    fields: mask(&["metadataValue"]),
                }),
                ..Request::default()
            }
        }
        None => Request {
            create_developer_metadata: Some(CreateDeveloperMetadataRequest {
                developer_metadata: Some(DeveloperMetadata {
                    metadata_key: Some(key.to_owned()),
                    metadata_value: Some(value.to_owned()),
                    location: Some(DeveloperMetadataLocation {
                        sheet_id: Some(tab),
                        ..Default::default()
                    }),
                    visibility: Some("DOCUMENT".to_owned()),
                    metadata_id: None,
                }),
            }),
            ..Request::default()
        },
    }
}
