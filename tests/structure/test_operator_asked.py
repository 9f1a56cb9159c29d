"""What an operator is trusted for, clause by clause, each with the tests that show it: none of them goes away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ASKED: Mapping[str, tuple[str, ...]] = {
    "laws after every call in the fake world": (
        "operate/test_matrix.py::test_there_and_back_twice",
        "operate/test_matrix.py::test_a_step_that_breaks_a_law_turns_the_matrix_red",
        "operate/test_executor_laws.py::test_killed_at_every_point_it_ends_the_same",
    ),
    "laws after every step on real servers": (
        "drill/test_explore.py::test_one_schedule_on_real_servers_holds",
        "drill/test_explore.py::test_a_law_that_is_broken_on_purpose_is_found_and_made_small",
        "operate/test_printed_over_the_wan.py::test_over_and_back_and_over_again_under_load",
    ),
    "what cannot be placed is saved first, and named": (
        "operate/test_conservation.py::test_what_is_refused_is_saved_before_its_last_copy_is_deleted",
        "operate/test_last_copies.py::test_a_rollup_is_kept_beside",
        "operate/test_salvage_cursor.py::test_a_subject_that_nobody_listens_on_is_kept_beside",
    ),
    "what destroys looks again, gated by the facts of what saved": (
        "operate/test_conservation.py::test_what_was_written_after_the_salvage_is_not_deleted",
        "operate/test_last_copies.py::test_the_last_copy_of_what_was_not_salvaged_is_kept",
        "operate/test_last_copies.py::test_where_nobody_serves_nothing_is_deleted",
    ),
    "nobody is left without a writer by a step that fails": (
        "operate/test_operations.py::test_nobody_is_stopped_before_what_follows_can_follow",
        "operate/test_operations.py::test_whichever_step_fails_before_the_first_promotion_somebody_writes",
        "operate/test_matrix.py::test_calls_that_fail_leave_somebody_who_writes",
        "operate/test_conservation.py::test_a_failback_that_cannot_drain_gives_the_writers_back",
    ),
    "the fake world has latency, refusals, controllers that undo, and conservation": (
        "operate/test_matrix.py::test_calls_that_fail_leave_somebody_who_writes",
        "operate/test_matrix.py::test_what_a_controller_puts_back_lets_nobody_in_who_holds_no_lease",
        "operate/test_matrix.py::test_a_controller_that_undoes_the_fence_of_a_failback_stops_it",
    ),
    "one matrix, killed at every line": (
        "operate/test_matrix.py::test_killed_at_every_line",
        "operate/test_kill_walk.py::test_killed_anywhere_while_the_region_is_lost",
        "operate/test_kill_walk.py::test_killed_anywhere_while_both_regions_live",
    ),
    "a search that shrinks what it finds, clocks among the faults": (
        "drill/test_explore.py::test_what_breaks_a_law_is_made_as_small_as_it_can_be_and_written",
        "drill/test_explore.py::test_a_seed_is_a_schedule_and_seeds_reach_every_kind",
        "drill/test_explore.py::test_what_broke_a_law_once_holds",
        "lab/test_skewed_clocks.py::test_a_clock_that_is_set_while_a_program_runs",
    ),
    "a failback is blocked with its reason where no link leads back": (
        "operate/test_failback_ways.py::test_no_way_back_is_said_before_anything_is_done",
        "operate/test_step_refusals.py::test_the_way_back_to_a_region_that_has_no_majority_apart_is_blocked",
        "evaluate/test_complexity.py::test_a_way_back_that_is_blocked_is_all_a_person_s",
    ),
    "services, secrets and stores are ready before writers are stopped, and a write goes along the path at the end": (
        "operate/test_failback_ways.py::test_writers_are_stopped_only_once_all_that_follows_is_ready",
        "operate/test_failback_ways.py::test_over_and_back_twice_home_serves_alone",
        "stores/test_postgres_failback.py::test_over_written_to_and_back_and_what_only_the_old_primary_had_is_named_first",
    ),
    "limits count from the last progress; a salvage has a cursor": (
        "operate/test_salvage_cursor.py::test_a_limit_counts_from_the_last_progress",
        "operate/test_salvage_cursor.py::test_how_far_it_is_stands_in_the_journal",
        "operate/test_salvage_cursor.py::test_killed_anywhere_it_goes_on_from_its_cursor",
    ),
    "an operation has an identity, is archived, and told": (
        "operate/test_operations.py::test_a_second_incident_is_another_operation",
        "operate/test_operations.py::test_the_same_state_is_the_same_operation_for_everybody",
        "operate/test_operating_verbs.py::test_status_says_when_what_and_who",
        "operate/test_operating_verbs.py::test_one_operation_at_a_time",
        "operate/test_journal.py::test_what_was_archived_meanwhile_is_not_written_to",
    ),
    "a lease and a journal outside the lost region": (
        "operate/test_lease.py::test_one_acts_and_the_other_says_who",
        "operate/test_lease.py::test_without_the_stream_the_local_journal_works",
        "operate/test_lease.py::test_one_that_slept_through_its_lease_does_nothing_more",
        "operate/test_lease_in_memory.py::test_in_a_supercluster_it_lies_in_the_cluster_that_stays",
    ),
    "places are who they should be, and the hash binds it": (
        "operate/test_places.py::test_regions_that_are_swapped_are_refused",
        "operate/test_cluster_identity.py::test_another_cluster_behind_the_context_ends_it",
        "operate/test_cluster_identity.py::test_it_is_part_of_what_is_approved_and_said_to_be_unchecked",
    ),
    "three kinds of no answer": (
        "operate/test_places.py::test_a_region_that_refuses_us_is_not_lost",
        "operate/test_places.py::test_a_wrong_port_is_no_lost_region_while_its_peers_hear_it",
        "kube/test_cluster_door.py::test_a_refusal_of_us_is_no_silence",
        "nats/test_ask_again.py::test_a_login_that_is_refused_three_times_is_refused",
    ),
    "one writer, over and back": (
        "operate/test_writers_one.py::test_cut_off_no_sequence_is_acknowledged_both_at_once",
        "operate/test_writers_one.py::test_clocks_apart_and_of_different_speed",
        "operate/test_writers_one.py::test_a_controller_that_undoes_the_fence_gives_nobody_a_lease",
        "operate/test_writers_one.py::test_back_home_beside_a_keeper_that_stands_still",
        "operate/test_writers_one.py::test_back_home_from_a_region_that_is_lost_meanwhile",
        "operate/test_writers_one.py::test_back_home_although_a_controller_undoes_the_fence",
        "operate/test_writer_lease.py::test_none_is_granted_before_the_other_one_has_run_out",
    ),
    "its seconds are in the RTO; the overlap of the other policy is counted": (
        "evaluate/test_writer_policies.py::test_a_lost_region_waits_for_the_lease",
        "operate/test_writers_one.py::test_available_both_take_writes_and_it_is_counted",
    ),
    "a drill starts nothing that render does not ship": (
        "publish/test_what_ships.py::test_a_drill_starts_what_is_shipped",
        "publish/test_what_ships.py::test_the_agent_is_asked_for_exactly_where_it_is_shipped",
        "operate/test_agent.py::test_a_lab_starts_what_render_ships",
    ),
    "approval is by what a step would do now": (
        "operate/test_operations.py::test_a_region_that_serves_is_not_stopped_unasked",
        "operate/test_operations.py::test_one_that_came_back_since_it_was_planned_is_not_what_was_approved",
        "operate/test_approved_anew.py::test_only_the_plan_that_runs_or_what_it_asks_is_approved",
    ),
    "abort from every step before the point of no return": (
        "operate/test_operations.py::test_given_up_anywhere_before_the_promotion_somebody_writes",
        "operate/test_operations.py::test_given_up_after_the_promotion_is_refused",
        "operate/test_last_copies.py::test_given_up_before_its_promotion_the_source_serves_again",
    ),
    "consumers": (
        "operate/test_consumer_positions.py::test_filters_are_all_that_a_consumer_takes",
        "operate/test_consumer_positions.py::test_the_applications_own_create_succeeds_after_a_failover",
        "operate/test_conservation.py::test_a_work_queue_is_not_mirrored_before_its_workers_consumers_are_there",
        "operate/test_copies_anew.py::test_an_origin_restored_by_the_executor_is_copied_on",
        "operate/test_copies_anew.py::test_a_stream_that_sources_and_takes_writes_stops_a_repair_before_it_begins",
    ),
    "controllers are recognised, audited, named, and paused or told": (
        "discover/test_reconcilers_found.py::test_each_is_told_as_a_line_that_the_file_takes",
        "audit/test_rule_table.py::test_rule_is_red_on_the_broken_world_and_silent_on_the_sound_one",
        "operate/test_reconcilers.py::test_the_plan_names_what_would_undo_the_fence",
        "operate/test_reconcilers.py::test_what_owns_the_streams_is_paused_before_they_are_fenced",
        "operate/test_reconcilers.py::test_an_autoscaler_is_told_and_what_deploys_is_paused",
        "kube/test_cluster_door.py::test_what_was_held_is_let_go_with_what_it_had",
    ),
    "the published runbook is executed as printed, there and back": (
        "operate/test_page_by_hand.py::test_the_page_has_a_block_for_each_step",
        "operate/test_page_by_hand.py::test_over_and_back_by_the_blocks_of_the_page",
        "operate/test_runbook_typed.py::test_there_back_and_there_again_by_the_printed_commands",
        "operate/test_commands_kept.py::test_no_command_waits_for_ever",
        "publish/test_patience.py::test_a_person_is_escalated_when_half_would_have_done_it",
    ),
    "any exception is a failed step with its cause; answers are typed": (
        "operate/test_operations.py::test_what_nobody_foresaw_is_a_failed_step",
        "operate/test_client_path.py::test_an_answer_is_believed_only_as_a_number",
        "operate/test_last_copies.py::test_positions_of_somebody_else_are_passed_over",
    ),
    "the clients' path is in the system file": (
        "operate/test_client_path.py::test_as_the_system_file_says",
        "operate/test_client_path.py::test_a_secret_is_not_written_down",
    ),
    "strings of NATS are quoted by its grammar and read back": (
        "operate/test_nats_text.py::test_it_is_read_back_as_it_was",
        "operate/test_nats_text.py::test_the_server_reads_it",
        "operate/test_nats_text.py::test_a_gate_with_odd_subjects_shuts",
        "operate/test_nats_text.py::test_what_is_no_subject",
    ),
}


@pytest.mark.parametrize("clause", ASKED)
def test_each_clause_has_its_tests(clause: str) -> None:
    for place in ASKED[clause]:
        file, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / file).read_text("utf-8"), place
