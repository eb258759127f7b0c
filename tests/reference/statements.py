"""The statements of the protocol's reference by section, each with the tests that cover it.

A test is named by its file under `tests/` and its function; a parametrized one covers a statement
with all its cases. `test_statements.py` checks that every test exists.
"""

from typing import NamedTuple

__all__ = ["STATEMENTS", "Statement"]


class Statement(NamedTuple):
    """section: of the reference: the number of a callback, or a heading. text: what it says, in a
    few words. tests: `file::function` of each test that covers it.
    """

    section: str
    text: str
    tests: tuple[str, ...]


def _of(section: str, file: str, *statements: tuple[str, ...]) -> list[Statement]:
    """Statements of a section: each its text, and the names of its tests; a name without a file is
    in this one.
    """
    return [
        Statement(
            section, text, tuple(name if "::" in name else f"{file}::{name}" for name in names)
        )
        for text, *names in statements
    ]


PREFERENCES = "device/test_preferences.py"
NAMES = "device/test_names.py"
SENSORS = "device/test_sensors.py"
FACEPLATE = "device/test_faceplate.py"
LIGHTS = "device/test_lights.py"
ARGUMENTS = "device/test_arguments.py"
VECTORS = "device/test_vectors.py"

STATEMENTS: list[Statement] = [
    *_of(
        "1",
        PREFERENCES,
        (
            "acc_prefs and sys_prefs, keys in the order of the table",
            "test_callback_1_has_the_keys_of_the_product",
        ),
        ("a device omits what its faceplate lacks", "test_callback_1_has_the_keys_of_the_product"),
        (
            "so does one whose faceplate is away",
            "test_a_faceplate_that_is_away_takes_its_preferences_with_it",
        ),
        ("start values as in the example", f"{VECTORS}::test_a_request_is_answered_byte_for_byte"),
        (
            "internet.* are integers, first octet in the low byte",
            "test_addresses_are_integers_in_an_order_that_is_a_quirk",
        ),
        (
            "adaptiveSensitivity is reported once it is set",
            "test_the_sensitivity_is_reported_once_it_is_set",
        ),
        (
            "the early form, not by default",
            "test_the_early_form_is_the_payload_itself_with_fewer_keys",
            f"{VECTORS}::test_a_request_is_answered_byte_for_byte",
        ),
        (
            "superfluous arguments are ignored",
            "device/test_outlet.py::test_arguments_where_none_are_taken_are_ignored_and_noted",
        ),
    ),
    *_of(
        "2",
        PREFERENCES,
        (
            "any part of the tree; the rest stays",
            "test_each_preference_takes_both_ends_of_its_range_and_changes_alone",
        ),
        (
            "a list of one object, or a bare object",
            "test_each_preference_takes_both_ends_of_its_range_and_changes_alone",
        ),
        (
            "durations are any integer from 0, and no fractions",
            "test_each_preference_takes_both_ends_of_its_range_and_changes_alone",
            "test_a_bad_preference_is_rejected_with_its_place",
        ),
        (
            "pmIndicatorBrightness from 0",
            "test_each_preference_takes_both_ends_of_its_range_and_changes_alone",
        ),
        ("out of range, wrong type: PUBACK 0", "test_a_bad_preference_is_rejected_with_its_place"),
        (
            "an unknown key: PUBACK 0; ignored as a setting",
            "test_what_is_not_in_the_tree_is_rejected",
            "test_unknown_preferences_are_ignored_by_a_quirk",
        ),
        ("a read-only key: PUBACK 0", "test_read_only_preferences_are_rejected"),
        (
            "a key that the product lacks: PUBACK 0",
            "test_callback_2_refuses_what_the_product_lacks",
        ),
        (
            "one fault anywhere changes nothing at all",
            "test_a_change_with_one_fault_anywhere_changes_nothing",
        ),
        ("no push", "test_each_preference_takes_both_ends_of_its_range_and_changes_alone"),
    ),
    *_of(
        "3",
        NAMES,
        (
            "accessories 1 and 2; 3 only with a faceplate",
            "test_without_a_faceplate_there_is_no_nightlight_to_name",
        ),
        (
            "a faceplate that is away takes 3 with it",
            "test_a_faceplate_that_is_away_takes_the_nightlight_with_it",
        ),
        ("a bare list; wrapped as a setting", "test_the_list_is_wrapped_as_documented_on_request"),
        ("the early form as a setting", "test_in_the_early_form_the_list_is_the_payload_itself"),
        (
            "Outlet 1, Outlet 2, Nightlight at first",
            "test_any_subset_is_renamed_and_the_rest_keeps_its_name",
        ),
    ),
    *_of(
        "4",
        NAMES,
        ("any subset", "test_any_subset_is_renamed_and_the_rest_keeps_its_name"),
        (
            "up to 64 characters, none included",
            "test_a_name_has_as_many_characters_as_a_quirk_says",
            "test_any_subset_is_renamed_and_the_rest_keeps_its_name",
        ),
        (
            "an accessory that is not there: PUBACK 0",
            "test_a_bad_list_of_names_is_rejected",
            "test_a_faceplate_that_is_away_takes_the_nightlight_with_it",
        ),
        ("the same accessory twice: PUBACK 0", "test_an_accessory_that_is_named_twice_is_rejected"),
        (
            "cleared by 7",
            "device/test_restarts.py::test_a_factory_reset_restores_what_clients_can_change",
        ),
    ),
    *_of(
        "11",
        SENSORS,
        (
            "device type 1 for both faceplates; a setting",
            "test_the_device_type_is_1_unless_it_is_given",
        ),
        (
            "keys in the order of the table, temphumidity_accuracy last",
            "test_every_reading_can_be_given_and_has_its_place_and_type",
            f"{VECTORS}::test_a_push_without_a_request_comes_about",
        ),
        (
            "decimals are strings; numbers as a setting",
            "test_decimals_are_strings_of_two_places_or_numbers_by_a_quirk",
        ),
        ("lux may be inf", "test_decimals_are_strings_of_two_places_or_numbers_by_a_quirk"),
        (
            "an Aura has lux_valid and lux alone",
            f"{VECTORS}::test_a_request_is_answered_byte_for_byte",
        ),
        (
            "what a faceplate lacks is omitted, never null",
            "test_a_reading_that_the_faceplate_lacks_is_left_out_and_not_null",
        ),
        ("pushed every 5 s; the interval is a setting", "test_the_interval_changes_at_run_time"),
        (
            "without a faceplate, or one that is away: no pushes, PUBACK 0",
            f"{FACEPLATE}::test_an_offline_faceplate_sends_no_readings_and_offers_no_firmware",
            f"{FACEPLATE}::test_what_needs_the_faceplate_fails_while_it_is_gone_and_works_again",
        ),
    ),
    *_of(
        "12",
        FACEPLATE,
        (
            "IM and PM with their keys",
            "test_every_field_of_callback_12_can_be_set",
            f"{VECTORS}::test_a_request_is_answered_byte_for_byte",
        ),
        (
            "radar of a Pro alone; fw_ver, or fw_rev as a setting",
            "test_the_radar_is_a_pros_unless_it_is_given_and_its_key_is_a_quirk",
        ),
        (
            "PM is omitted without a faceplate and while it is away",
            "test_how_callback_12_shows_a_faceplate_that_is_away_is_a_quirk",
            "test_a_bare_outlet_has_no_faceplate_whatever_the_quirk",
        ),
        (
            "the degraded form is one setting",
            "test_how_callback_12_shows_a_faceplate_that_is_away_is_a_quirk",
            f"{VECTORS}::test_a_request_is_answered_byte_for_byte",
        ),
        ("pushed after a restart", f"{VECTORS}::test_a_push_without_a_request_comes_about"),
        (
            "pushed when a faceplate comes back, for whatever reason",
            "test_a_faceplate_that_comes_back_is_announced",
        ),
        ("pushed when a faceplate appears", "test_a_faceplate_that_appears_is_announced"),
        (
            "pushed after an update of the faceplate",
            "device/test_updates.py::test_an_update_of_the_faceplate_ends_with_the_restart_of_that_alone",
        ),
    ),
    *_of(
        "14",
        LIGHTS,
        (
            "mode and brightness; push 15",
            "test_the_nightlight_is_what_it_was_set_to_and_only_a_change_is_pushed",
        ),
        (
            "off keeps the brightness; on with 0 is stored",
            "test_the_nightlight_is_what_it_was_set_to_and_only_a_change_is_pushed",
        ),
        (
            "out of range: PUBACK 0",
            f"{ARGUMENTS}::test_each_argument_takes_both_ends_of_its_range_and_nothing_beyond",
        ),
        ("no faceplate, an Aura: PUBACK 0", f"{FACEPLATE}::test_a_product_answers_what_it_has"),
    ),
    *_of(
        "15",
        LIGHTS,
        (
            "mode and brightness; pushed on a change alone",
            "test_the_nightlight_is_what_it_was_set_to_and_only_a_change_is_pushed",
        ),
        (
            "an Aura, no faceplate: PUBACK 0",
            "test_an_aura_has_a_plain_nightlight_by_a_quirk_alone",
            f"{FACEPLATE}::test_a_product_answers_what_it_has",
        ),
    ),
    *_of(
        "17",
        LIGHTS,
        (
            "light 5 alone; the indicator, 7 or 1, as a setting",
            "test_the_indicator_is_there_by_a_quirk_and_has_seven_leds",
            "test_the_indicator_may_be_light_1",
        ),
        (
            "modes 1-7 and the ranges of all arguments",
            "test_both_ends_of_every_range_are_taken",
            f"{ARGUMENTS}::test_bad_arguments_of_callback_17_are_rejected_with_their_place",
        ),
        ("kelvin 1000-40000; less as a setting", "test_the_highest_temperature_is_a_quirk"),
        (
            "an entry as 18 returns it, in every mode",
            "test_a_full_entry_sets_colour_and_temperature",
        ),
        ("mode 1, one entry fills the row", "test_one_colour_fills_the_row_in_mode_1"),
        ("mode 2, one entry sets the first LED", "test_one_temperature_is_for_the_first_alone"),
        (
            "modes 1 and 2, several: LED by LED, the rest stays",
            "test_several_entries_are_for_the_first_of_the_row_and_the_others_stay",
        ),
        (
            "modes 3-6: a palette of 1-9, the entries after it stay",
            "test_the_entries_of_an_effect_are_a_palette_and_the_leds_after_it_stay",
        ),
        (
            "mode 7: two, without a level",
            "test_a_starry_night_has_two_colours_or_the_whole_row_that_was_read",
        ),
        ("random 1 changes no entry", "test_random_colours_change_no_led"),
        (
            "more entries than LEDs, none: PUBACK 0",
            f"{ARGUMENTS}::test_bad_arguments_of_callback_17_are_rejected_with_their_place",
        ),
        (
            "0 to 3 of the last arguments; omitted ones stay",
            "test_what_follows_the_leds_is_kept_where_it_is_left_out",
        ),
        ("push 18 on a change", "test_one_colour_fills_the_row_in_mode_1"),
        ("no faceplate, a Pro: PUBACK 0", f"{FACEPLATE}::test_a_product_answers_what_it_has"),
    ),
    *_of(
        "18",
        LIGHTS,
        (
            "six arguments, entries complete, nine for light 5",
            f"{VECTORS}::test_a_request_is_answered_byte_for_byte",
        ),
        ("three arguments as a setting", "test_three_arguments_of_18_are_a_quirk"),
        (
            "the documented push with PUBACK as a setting",
            "test_the_push_of_a_colour_light_has_a_puback_by_a_quirk_alone",
            f"{VECTORS}::test_a_push_without_a_request_comes_about",
        ),
        (
            "without colour light PUBACK 0; short or empty success as a setting",
            "test_callback_18_without_an_aura_fails_or_is_short_by_a_quirk",
        ),
    ),
    *_of(
        "24",
        FACEPLATE,
        ("away 3 s, or as a setting says", "test_the_faceplate_is_away_as_long_as_it_is_said"),
        (
            "no PM in 12, no push 11; push 12 when it is back",
            "test_how_callback_12_shows_a_faceplate_that_is_away_is_a_quirk",
            "test_an_offline_faceplate_sends_no_readings_and_offers_no_firmware",
            "test_a_faceplate_that_comes_back_is_announced",
        ),
        (
            "settings survive",
            f"{SENSORS}::test_a_faceplate_reset_clears_a_calibration_and_a_restart_does_not",
        ),
        ("without a faceplate PUBACK 0", "test_a_product_answers_what_it_has"),
    ),
    *_of(
        "25",
        SENSORS,
        ("as 24", f"{FACEPLATE}::test_the_faceplate_is_away_as_long_as_it_is_said"),
        (
            "preferences of the faceplate and lights return to the start",
            "test_a_faceplate_reset_restores_its_preferences_and_lights",
        ),
        (
            "calibrations are lost",
            "test_a_faceplate_reset_clears_a_calibration_and_a_restart_does_not",
        ),
        (
            "accuracies read 0, unless the scenario drives them",
            "test_a_faceplate_reset_makes_the_accuracies_0_unless_they_are_driven",
        ),
    ),
    *_of(
        "26",
        SENSORS,
        (
            "1-65535 s",
            f"{ARGUMENTS}::test_each_argument_takes_both_ends_of_its_range_and_nothing_beyond",
        ),
        (
            "10 s after the reply 4 for so long; 6 in place of 5 as a setting",
            "test_a_calibration_begins_in_ten_seconds_and_ends_with_its_result",
        ),
        (
            "5 for one push, then the ordinary state",
            "test_the_result_of_a_calibration_is_in_one_push",
        ),
        ("a silent sensor: PUBACK 0", "test_a_silent_sensor_is_not_calibrated"),
        ("a second request meanwhile: PUBACK 0", "test_one_calibration_at_a_time"),
        ("Aura, no faceplate: PUBACK 0", f"{FACEPLATE}::test_a_product_answers_what_it_has"),
    ),
    *_of(
        "27",
        FACEPLATE,
        (
            "all three answer what the scenario says, if mqtt.enabled is 1",
            "test_callback_27_answers_what_the_scenario_says_of_the_broker",
        ),
        (
            "0, 1 or 2",
            f"{ARGUMENTS}::test_each_argument_takes_both_ends_of_its_range_and_nothing_beyond",
        ),
    ),
    *_of(
        "28",
        SENSORS,
        (
            "-40000…85000 and 0…100000",
            f"{ARGUMENTS}::test_each_argument_takes_both_ends_of_its_range_and_nothing_beyond",
        ),
        (
            "11 reports these values from then on",
            "test_a_calibrated_reading_is_what_it_was_said_to_be",
        ),
        (
            "as an offset to what the scenario gives",
            "test_what_is_measured_after_a_calibration_is_off_by_as_much",
        ),
        ("Aura, no faceplate: PUBACK 0", f"{FACEPLATE}::test_a_product_answers_what_it_has"),
    ),
    *_of(
        "vectors.json",
        VECTORS,
        (
            "every example, on every product of its variant",
            "test_a_request_is_answered_byte_for_byte",
            "test_a_push_without_a_request_comes_about",
            "test_there_is_a_case_for_every_example_and_no_other",
        ),
        (
            "over both transports, spaced and compact",
            "server/test_vectors.py::test_examples_on_the_wire",
        ),
    ),
]
"""What the reference says, and what shows that the outlet does so."""
