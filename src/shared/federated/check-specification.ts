import type { Problem } from "../catalog/problems.ts";
import { encodedBytes } from "./encoding.ts";
import type { Manifest } from "./manifest.ts";
import { makeOptimiser } from "./optimisers/registry.ts";
import { checkRule, makeRule } from "./rules/registry.ts";
import {
	ROW_PARAMETERS,
	ROW_SUMMED_BYTES_MAX,
	SHARD_STORED_BYTES_MAX,
	SHARDS_MAX,
	UPDATES_AT_ONCE_MAX,
	UPDATES_STAGED_MAX,
} from "./sizes.ts";
import type { Specification } from "./specification.ts";

/** Updates staged at once where the specification says nothing, at least. */
const STAGED_DEFAULT = 64;

/** How many updates may lie in the shards at once. */
export function stagedMax({ limits, flush }: Specification): number {
	if (limits.updates_staged_max !== undefined) return limits.updates_staged_max;
	const twice = flush.when === "count" ? 2 * flush.count : 0;
	return Math.min(UPDATES_STAGED_MAX, Math.max(STAGED_DEFAULT, twice));
}

/** The fewest updates that a flush may have. */
export function flushCountMin({ flush }: Specification): number {
	return flush.when === "count" ? (flush.count_min ?? flush.count) : 1;
}

/** What of a run does not fit together, or into its shards; each by its path. */
export function checkSpecification(specification: Specification, manifest: Manifest): readonly Problem[] {
	const { flush, selection, staleness_max, rule, retention, shard_parameters } = specification;
	const problems: Problem[] = [];
	const bad = (path: string, message: string) => void problems.push({ path, message });
	const staged = stagedMax(specification);

	if (flush.when === "count") {
		if (flushCountMin(specification) > flush.count) bad("flush.count_min", `more than flush.count (${flush.count})`);
		if (flush.count_min !== undefined && flush.deadline_seconds === undefined) {
			bad("flush.count_min", "counts at the deadline, and flush.deadline_seconds is missing");
		}
		if (flush.count > staged) bad("limits.updates_staged_max", `less than flush.count (${flush.count})`);
		// One who waits for the flush of a round has no other task, so that fewer than it needs would wait for ever.
		const handedOut = selection.by === "count" || selection.by === "loss" ? selection.count : Infinity;
		if (staleness_max === 0 && handedOut < flush.count) {
			bad("selection.count", `less than flush.count (${flush.count}): no round could end`);
		}
	}
	if (specification.limits.clients_max < flushCountMin(specification)) {
		bad("limits.clients_max", `fewer clients than a flush needs (${flushCountMin(specification)})`);
	}
	problems.push(
		...checkRule(rule, {
			flushCount: flush.when === "count" ? flush.count : null,
			flushCountMin: flushCountMin(specification),
		}),
	);
	const made = makeRule(rule);
	if ((made.door === "row" || made.needs.gram) && staged > UPDATES_AT_ONCE_MAX) {
		bad(
			"limits.updates_staged_max",
			`${rule.name} needs all updates at once, at most ${UPDATES_AT_ONCE_MAX}; it is ${staged}`,
		);
	}
	if (new Set(specification.encodings).size < specification.encodings.length)
		bad("encodings", "names an encoding twice");

	const shards = Math.ceil(manifest.parameters / shard_parameters);
	if (shards > SHARDS_MAX)
		bad("shard_parameters", `the model would have ${shards} shards, and at most ${SHARDS_MAX} are kept`);
	const bytes = shardBytes(specification, manifest);
	if (bytes.total > SHARD_STORED_BYTES_MAX) {
		bad(
			"shard_parameters",
			`a shard would store ${bytes.total} bytes at most (${bytes.updates} of ${staged} staged updates, ${bytes.versions} of ` +
				`${bytes.kept} versions${retention.updates ? ` and ${bytes.retained} of their updates` : ""}), and it may ` +
				`store ${SHARD_STORED_BYTES_MAX}: take smaller shards, or stage or keep less`,
		);
	}
	const row = staged * largestUpdate(specification, Math.min(ROW_PARAMETERS, manifest.parameters));
	if (row > ROW_SUMMED_BYTES_MAX) {
		bad(
			"limits.updates_staged_max",
			`one row of ${staged} staged updates has ${row} bytes, and at most ${ROW_SUMMED_BYTES_MAX} are summed in one turn`,
		);
	}
	return problems;
}

/** The most that a run's largest shard stores. */
function shardBytes(specification: Specification, manifest: Manifest) {
	const { retention, shard_parameters, server_optimiser } = specification;
	const parameters = Math.min(shard_parameters, manifest.parameters);
	const updates = largestUpdate(specification, parameters) * stagedMax(specification);
	const kept = versionsKeptMax(specification);
	const versions = kept * parameters * 4 * (1 + makeOptimiser(server_optimiser).initialState.length);
	const retained = retention.updates ? updates * kept : 0;
	return { updates, kept, versions, retained, total: updates + versions + retained };
}

/** Versions that a shard has at once, at most. Beside the newest there are those that staged updates, or ones that may still come, are
 *  differences to, each with its optimiser state: no older than the staleness allows, and while a version is made one older. One more
 *  is being made. */
function versionsKeptMax(specification: Specification): number {
	const { retention, staleness_max } = specification;
	const reach = staleness_max + 2;
	return Math.max(retention.versions, Math.min(retention.versions + stagedMax(specification), reach)) + 1;
}

function largestUpdate({ encodings }: Specification, parameters: number): number {
	return Math.max(...encodings.map((encoding) => encodedBytes(encoding, parameters)));
}
