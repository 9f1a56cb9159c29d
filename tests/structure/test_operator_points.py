"""What an operator once got wrong on real servers, each with the tests that were red on it: none of them goes away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
POINTS: Mapping[str, tuple[str, ...]] = {
    "two operators: the streams of the serving home are deleted": (
        "operate/test_conservation.py::test_what_the_other_operator_finished_is_not_deleted_again",
        "operate/test_operations.py::test_two_operators_and_one_failback",
    ),
    "what salvage could not place is deleted": (
        "operate/test_conservation.py::test_what_is_refused_is_saved_before_its_last_copy_is_deleted",
        "operate/test_conservation.py::test_nothing_is_deleted_where_it_cannot_be_saved",
    ),
    "a failback after a restore from a backup": (
        "operate/test_failback_ways.py::test_no_way_back_is_said_before_anything_is_done",
    ),
    "the way back by hand": (
        "operate/test_by_hand.py::test_over_and_back_by_hand",
        "operate/test_page_by_hand.py::test_over_and_back_by_the_blocks_of_the_page",
    ),
    "consumers begin at the first message": (
        "operate/test_agent.py::test_the_program_copies_positions_and_shows_that_it_lives",
        "publish/test_what_ships.py::test_a_drill_starts_what_is_shipped",
    ),
    "a second incident is taken for the first": (
        "operate/test_operations.py::test_a_second_incident_is_another_operation",
        "operate/test_operating_verbs.py::test_what_is_done_is_not_resumed",
    ),
    "undone jobs of a work queue are purged": (
        "operate/test_consumer_positions.py::test_of_a_work_queue_only_what_a_consumer_has_done_is_purged",
    ),
    "a mirror takes the jobs of a work queue": (
        "operate/test_conservation.py::test_a_work_queue_is_not_mirrored_before_its_workers_consumers_are_there",
        "publish/test_what_ships.py::test_the_consumers_of_an_origin_are_created_before_what_mirrors_it",
    ),
    "a refused login counts as a lost region": (
        "operate/test_places.py::test_a_region_that_refuses_us_is_not_lost",
        "operate/test_places.py::test_a_wrong_port_is_no_lost_region_while_its_peers_hear_it",
    ),
    "regions that are swapped": ("operate/test_places.py::test_regions_that_are_swapped_are_refused",),
    "a healthy region is stopped unasked, with no way to give up": (
        "operate/test_operations.py::test_a_region_that_serves_is_not_stopped_unasked",
        "operate/test_operations.py::test_a_failback_to_where_clients_write_is_refused",
        "operate/test_operations.py::test_given_up_anywhere_before_the_promotion_somebody_writes",
    ),
    "two writers in a partition, or as a controller undoes the fence": (
        "operate/test_writers_one.py::test_cut_off_no_sequence_is_acknowledged_both_at_once",
        "operate/test_writers_one.py::test_a_controller_that_undoes_the_fence_gives_nobody_a_lease",
        "operate/test_writers_one.py::test_a_region_that_returns_holds_no_lease_until_it_is_given_one",
        "operate/test_writers_one.py::test_a_standby_whose_services_run_takes_no_writes",
        "operate/test_writers_one.py::test_back_home_beside_a_keeper_that_stands_still",
        "operate/test_writers_one.py::test_back_home_from_a_region_that_is_lost_meanwhile",
        "operate/test_writers_one.py::test_back_home_although_a_controller_undoes_the_fence",
        "operate/test_writers_one.py::test_promoted_by_hand_without_a_lease_it_takes_no_writes",
    ),
    "a failback that cannot finish at 65 ms, and a salvage that starts anew": (
        "operate/test_printed_over_the_wan.py::test_over_and_back_and_over_again_under_load",
        "operate/test_salvage_cursor.py::test_a_limit_counts_from_the_last_progress",
        "operate/test_salvage_cursor.py::test_killed_anywhere_it_goes_on_from_its_cursor",
    ),
    "plans that are refused at random under load": (
        "operate/test_guards.py::test_load_on_a_primary_that_answers_refuses_no_plan",
    ),
    "printed commands that cannot run": (
        "operate/test_runbook_typed.py::test_there_back_and_there_again_by_the_printed_commands",
    ),
    "answers of another type end in a traceback": (
        "operate/test_client_path.py::test_an_answer_is_believed_only_as_a_number",
        "operate/test_last_copies.py::test_positions_of_somebody_else_are_passed_over",
    ),
    "causes that are hidden, typos that pass, words that are believed": (
        "operate/test_client_path.py::test_why_no_write_was_acknowledged_is_said",
        "operate/test_journal.py::test_a_disk_without_room_leaves_a_whole_journal",
        "operate/test_operating_verbs.py::test_mistakes_are_told",
        "operate/test_operating_verbs.py::test_a_command_is_told_where_clients_go",
        "operate/test_record_believed.py::test_a_record_that_did_not_move_is_not_believed",
    ),
    "subjects that make a gate or a configuration unreadable": (
        "operate/test_nats_text.py::test_a_gate_with_odd_subjects_shuts",
        "operate/test_nats_text.py::test_the_server_reads_it",
    ),
    "resuming what is done fences a healthy home": (
        "operate/test_operations.py::test_resuming_what_is_done_leaves_a_home_that_serves_again",
    ),
    "other commands or servers than were approved": (
        "operate/test_operations.py::test_other_commands_than_approved_are_refused",
        "operate/test_approved_anew.py::test_other_options_than_those_approved_are_approved_by_a_token",
    ),
    "a mirror in the primary's own region": (
        "operate/test_mirror_of_its_own_region.py::test_it_stops_no_failover",
        "operate/test_mirror_of_its_own_region.py::test_over_and_back_it_follows_in_both_regions",
    ),
    "names of a super-cluster's copies": (
        "operate/test_super_cluster_names.py::test_a_promoted_copy_is_not_found_by_its_origin_s_name",
    ),
    "restoring an origin breaks what copies it": (
        "operate/test_copies_anew.py::test_an_origin_restored_by_the_executor_is_copied_on",
        "operate/test_copies_anew.py::test_a_mirror_of_a_restored_origin_stands_still_until_it_is_made_anew",
    ),
    "a failback under load that never gets past its copy": (
        "operate/test_conservation.py::test_how_much_is_written_is_no_matter_to_a_failback",
        "operate/test_printed_over_the_wan.py::test_over_and_back_and_over_again_under_load",
    ),
}


@pytest.mark.parametrize("point", POINTS)
def test_each_has_its_tests(point: str) -> None:
    for place in POINTS[point]:
        file, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text("utf-8"), place
