import { stagedMax } from "../src/shared/federated/check-specification.ts";
import { normMax } from "../src/shared/federated/commit.ts";
import type { FinalRefusal, UpdateAnswer } from "../src/shared/federated/messages.ts";
import type { RunContext } from "./run.context.ts";
import type { Invitation, StoredMember } from "./run.members.store.ts";
import type { Shown } from "./run.messages.ts";
import type { StoredUpdate } from "./run.updates.store.ts";
import type { StoredRound, StoredVersion } from "./run.versions.store.ts";

/** The run as `GET /v1/runs/{id}` shows it. */
export function shownRun({ facts, store, updates, members, versions, shards }: RunContext): Shown {
	const { id, specification, manifest, createdAt } = facts;
	const run = store.run();
	return {
		object: "run",
		id,
		name: specification.name,
		state: run.state,
		pause_reason: run.pauseReason,
		created_at: createdAt,
		round: run.round,
		deadline: run.deadline,
		extended: run.extended,
		version: run.version,
		digest: run.version === null ? null : (versions.version(run.version)?.digest ?? null),
		step: run.step,
		making: run.making && { version: run.making.version, kind: run.making.kind },
		pending: updates.pendingCount(run.round),
		staged: updates.stagedCount(),
		staged_max: stagedMax(specification),
		update_norm_max: normMax(specification) ?? null,
		clients: members.count(),
		parameters: manifest.parameters,
		tensors: manifest.tensors.length,
		shards: shards.length,
		specification,
	};
}

/** The run as the list of runs shows it. */
export function briefRun({ facts, store }: RunContext): Shown {
	const { id, specification, createdAt } = facts;
	const { state, round, version } = store.run();
	return { object: "run", id, name: specification.name, state, round, version, created_at: createdAt };
}

export function shownInvitation({ id, uses, used, expiresAt, weightCap, label }: Invitation): Shown {
	return { object: "invitation", id, uses, used, expires_at: expiresAt, weight_max: weightCap, label };
}

export function shownMember({ client, name, state, weightCap, joinedAt }: StoredMember): Shown {
	return { object: "client", id: client, name, state, weight_max: weightCap, joined_at: joinedAt };
}

export function shownParticipation(member: StoredMember): Shown {
	const { client, name, state, tasks, accepted, refused, examples, weight, loss, turnaround, askedAt } = member;
	return {
		client,
		name,
		state,
		tasks,
		accepted,
		refused,
		examples,
		weight,
		loss,
		turnaround_seconds: turnaround,
		last_seen: askedAt === 0 ? null : askedAt,
	};
}

export function shownVersion({ version, digest, kind, parent, step, round, madeAt, state }: StoredVersion): Shown {
	return { version, digest, kind, parent, step, round, made_at: madeAt, kept: state === "made" };
}

export function shownRound(round: StoredRound): Shown {
	const { openedAt, closedAt, extended, tasks, refused, version, summary } = round;
	return {
		round: round.round,
		opened_at: openedAt,
		closed_at: closedAt,
		extended,
		tasks,
		refused,
		version,
		...summary,
	};
}

const REASONS: Readonly<Record<FinalRefusal, string>> = {
	late: "it was committed after its task's deadline",
	round_closed: "its round has been flushed, and the run takes none of older rounds",
	too_stale: "more versions lie after its base than the run allows",
	expelled: "its client was expelled",
	run_closed: "the run has ended",
	rolled_back: "the run went back to an older version before it was summed",
};

/** What an update was answered, as every later question about it is. */
export function shownUpdate({ versions }: RunContext, { id, client, base, answer, ...update }: StoredUpdate): Shown {
	return {
		object: "update",
		id,
		client,
		base,
		...shownAnswer(answer, (version) => versions.version(version)?.digest ?? null),
		digest: update.digest,
		norm: update.squaredNorm === null ? null : Math.sqrt(update.squaredNorm),
		committed_at: update.committedAt,
	};
}

function shownAnswer(answer: UpdateAnswer, digestOf: (version: number) => string | null): Shown {
	switch (answer.status) {
		case "pending":
			return { state: "pending", round: answer.round, weight: answer.weight };
		case "accepted": {
			const { round, version, weight } = answer;
			return { state: "accepted", round, version, version_digest: digestOf(version), weight };
		}
		case "refused":
			return { state: "refused", reason: { code: answer.reason, message: REASONS[answer.reason] } };
	}
}
