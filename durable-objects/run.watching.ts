import { bitsHex, specificationDigest } from "../src/shared/federated/audit.ts";
import type { IsobarError } from "../src/shared/http/errors.ts";
import { err, ok, type Result } from "../src/shared/result.ts";
import type { Seconds } from "../src/shared/units.ts";
import type { RunContext } from "./run.context.ts";
import type { RunFlush } from "./run.flush.ts";
import { goneVersion, noVersion } from "./run.lifecycle.ts";
import type { Shown, ShownEvent, VersionName } from "./run.messages.ts";
import { shownParticipation, shownRound, shownVersion } from "./run.show.ts";
import type { StoredVersion } from "./run.versions.store.ts";

const EVENTS_AT_ONCE = 256;
/** A page of the audit ends with the version that reaches this: one of 10,000 updates takes some 2.5 MB, and a call at most 32 MiB. */
const AUDIT_BYTES = 4 * 2 ** 20;

/** What can be seen of a run. */
export class RunWatching {
	readonly #context: RunContext;
	readonly #flush: RunFlush;

	constructor(context: RunContext, flush: RunFlush) {
		this.#context = context;
		this.#flush = flush;
	}

	/** The version of a number, a digest, or `latest`: of those that every shard has. */
	version(name: string): Result<VersionName, IsobarError> {
		const { store, versions } = this.#context;
		const newest = store.run().version;
		const found = (): StoredVersion | null => {
			if (name === "latest") return newest === null ? null : versions.version(newest);
			if (/^\d{1,9}$/.test(name)) return versions.version(Number(name));
			return versions.byDigest(name);
		};
		const version = found();
		if (!version || version.digest === null) return err(noVersion(name));
		if (version.state !== "made") return err(goneVersion(version.version));
		return ok({ version: version.version, digest: version.digest });
	}

	versions(before: number, limit: number): Shown {
		const rows = this.#context.versions.before(before, limit + 1);
		return { object: "list", data: rows.slice(0, limit).map(shownVersion), has_more: rows.length > limit };
	}

	rounds(after: number, limit: number): Shown {
		const rows = this.#context.versions.rounds(after, limit + 1);
		return { object: "list", data: rows.slice(0, limit).map(shownRound), has_more: rows.length > limit };
	}

	participation(after: string, limit: number): Shown {
		const rows = this.#context.members.members(after, limit + 1);
		return { object: "list", data: rows.slice(0, limit).map(shownParticipation), has_more: rows.length > limit };
	}

	/** The chain: each version, what it was made of, and the link over it and all before. */
	async audit(after: number, limit: number): Promise<Shown> {
		const { versions, specification, manifest } = this.#context;
		const first = await specificationDigest({ specification, manifest });
		const rows = versions.after(after, limit + 1);
		const data: object[] = [];
		for (let bytes = 0; data.length < Math.min(limit, rows.length) && bytes < AUDIT_BYTES;) {
			const row = rows[data.length]!;
			const { made, previous } =
				row.kind === "initial"
					? { previous: first, made: { kind: row.kind } as const }
					: this.#flush.link(row, row.digest ?? "");
			const plan = versions.plan(row.version);
			const encodings = new Map(plan?.updates.map(({ id, encoding }) => [id, encoding]));
			const shown =
				made.kind === "flush"
					? {
							...made,
							updates: made.updates.map((update) => ({
								...update,
								encoding: encodings.get(update.id) ?? null,
								coefficient_bits: bitsHex(update.coefficient),
							})),
							bases: made.bases.map(([version, coefficient]) => ({
								version,
								coefficient,
								coefficient_bits: bitsHex(coefficient),
							})),
						}
					: made;
			const each = { version: row.version, digest: row.digest, link: row.link, previous, made: shown };
			bytes += JSON.stringify(each).length;
			data.push(each);
		}
		return { object: "list", data, has_more: rows.length > data.length };
	}

	/** Events after one; where there is none yet, it waits for the first. */
	async events(after: number, waitSeconds: Seconds): Promise<readonly ShownEvent[]> {
		const { store } = this.#context;
		const found = store.events(after, EVENTS_AT_ONCE);
		if (found.length > 0 || waitSeconds <= 0) return found;
		await this.#context.wait("events", waitSeconds);
		return store.events(after, EVENTS_AT_ONCE);
	}
}
