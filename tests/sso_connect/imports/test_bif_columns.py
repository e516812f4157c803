"""The column map of a Biller Invoice File."""

from __future__ import annotations

from pathlib import Path

import pytest

from idp.errors import InvalidFields
from sso_connect.imports.bif_columns import ColumnMap, custom_number

DATA = Path(__file__).parents[3] / "examples" / "data"
INVOICE = ["RecordType", "InvoiceFormatGuid", "InvoiceNumber", "InvoiceDate", "InvoiceDueDate", "TotalAmountDue", "Custom10"]
CUSTOMER = ["AccountNumber", "CustomerName"]


def faults(given: object) -> dict[str, str]:
    """Field -> message of a map that is refused."""
    with pytest.raises(InvalidFields) as caught:
        ColumnMap.from_mapping(given)
    return {fault.field: fault.message for fault in caught.value.fields}


def yaml_faults(text: str) -> dict[str, str]:
    """The same for YAML."""
    with pytest.raises(InvalidFields) as caught:
        ColumnMap.from_yaml(text)
    return {fault.field: fault.message for fault in caught.value.fields}


def test_the_default_map_is_the_order_of_the_file_format() -> None:
    default = ColumnMap.default()
    assert default.file_header == ("BillerGuid", "FileCreationDate", "InvoiceCount", "TotalInvoiceAmount")
    assert default.invoice[:3] == ("RecordType", "InvoiceFormatGuid", "InvoiceNumber")
    assert default.invoice[-3:] == ("Custom10", "PastDue", "Custom58")
    assert default.customer[0] == "AccountNumber"
    assert default.customer[-1] == "DisplayAccountNumber"
    assert default.detail == ("Description", "Quantity", "Amount")
    assert ColumnMap.from_mapping({}) == default


def test_prairies_map_mixes_names_and_file_spec_ids() -> None:
    column_map = ColumnMap.from_yaml((DATA / "9002_columns.yaml").read_text(encoding="utf-8"))
    assert column_map.file_header == ColumnMap.default().file_header
    assert column_map.invoice[3] == "InvoiceType"
    assert column_map.invoice[7:] == ("PastDue", "Custom2", "Custom3", "Custom4", "Custom10", "Custom58")
    assert column_map.customer[:3] == ("AccountNumber", "EmailAddress", "CustomerName")


def test_every_file_spec_id_stands_for_its_field() -> None:
    column_map = ColumnMap.from_mapping(
        {
            "FH": [2, 4, 5, 6],
            "IH": [8, 9, 10, 11, 12, 13, 39, 40, 41, 46, 47, 407, "Custom58"],
            "CR": [59, 60, 61, 62, 63, 64, 65, 66, 67, 356, 373],
        }
    )
    assert column_map == ColumnMap.default()


def test_names_match_in_any_case() -> None:
    assert ColumnMap.from_mapping({"CR": ["accountnumber", "CUSTOMERNAME"]}).customer == tuple(CUSTOMER)


def test_a_map_survives_storage_as_plain_data() -> None:
    column_map = ColumnMap.from_mapping({"IH": [*INVOICE, "Meters", "Custom60"], "CR": [60, 59]})
    assert ColumnMap.from_mapping(column_map.as_mapping()) == column_map


def test_any_custom_up_to_sixty_goes_by_name() -> None:
    assert ColumnMap.from_mapping({"IH": [*INVOICE, "Custom1", "Custom60"]}).invoice[-2:] == ("Custom1", "Custom60")
    assert list(faults({"IH": [*INVOICE, "Custom0", "Custom61", "Custom058"]})) == ["IH.Custom0", "IH.Custom61", "IH.Custom058"]
    assert (custom_number("Custom58"), custom_number("InvoiceType")) == (58, None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"IH": [*INVOICE, "Colour"]}, "IH.Colour"),
        ({"IH": [*INVOICE, 999]}, "IH.999"),
        ({"IH": [*INVOICE, 59]}, "IH.59"),
        ({"CR": [*CUSTOMER, "Custom58"]}, "CR.Custom58"),
        ({"CR": [*CUSTOMER, "InvoiceType"]}, "CR.InvoiceType"),
        ({"IH": [*INVOICE, True]}, "IH.True"),
        ({"IH": [*INVOICE, None]}, "IH.NoneType"),
        ({"IH": [*INVOICE, ["Custom2"]]}, "IH.list"),
        ({"IH": [*INVOICE, 47]}, "IH.Custom10"),
        ({"CR": [*CUSTOMER, "CustomerName"]}, "CR.CustomerName"),
        ({"IH": INVOICE[:-1]}, "IH.Custom10"),
        ({"CR": ["CustomerName"]}, "CR.AccountNumber"),
        ({"FH": [2, 4, 5]}, "FH.TotalInvoiceAmount"),
        ({"IH": [*INVOICE, "Meters"], "CR": [*CUSTOMER, "Meters"]}, "CR.Meters"),
        ({"XX": ["Amount"]}, "XX"),
        ({"ID": []}, "ID"),
        ({"ID": "Amount"}, "ID"),
        ({"ID": {"Amount": 1}}, "ID"),
        ([], ""),
        (None, ""),
    ],
)
def test_a_wrong_map_is_refused_with_the_field_named(given: object, field: str) -> None:
    assert list(faults(given)) == [field]


def test_all_faults_of_a_map_are_named_at_once() -> None:
    assert set(faults({"IH": [*INVOICE[1:], "Colour"], "CR": ["AccountNumber"], "ZZ": []})) == {
        "ZZ",
        "IH.Colour",
        "IH.RecordType",
        "CR.CustomerName",
    }


@pytest.mark.parametrize(
    "text",
    [
        "IH: [",
        "!!python/object/apply:os.system ['true']",
        "2026-99-99",
        "[" * 5000,
        "\x00",
        "a: &a [*a]\nb: \x01",
        "- a\n---\n- b",
        "x" * 20_000,
    ],
)
def test_text_that_is_no_yaml_mapping_is_refused(text: str) -> None:
    assert yaml_faults(text)


def test_a_row_type_given_twice_is_refused_though_yaml_would_take_the_last() -> None:
    assert yaml_faults("ID: [Amount]\nID: [Amount]\n") == {"ID": "is given twice"}


def test_an_empty_document_is_no_map() -> None:
    assert list(yaml_faults("")) == [""]
