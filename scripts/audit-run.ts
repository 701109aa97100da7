import { createHash, type Hash } from "node:crypto";
import {
	bitsHex,
	linkDigest,
	specificationDigest,
	updateDigest,
	type Link,
	type LinkedUpdate,
} from "../src/shared/federated/audit.ts";
import type { Encoding } from "../src/shared/federated/encoding.ts";
import type { Manifest } from "../src/shared/federated/manifest.ts";
import { makeOptimiser } from "../src/shared/federated/optimisers/registry.ts";
import { recomputedDigest, type Evidence } from "../src/shared/federated/recompute.ts";
import { partsOf, rowsOf, shardsOf, type ShardRange } from "../src/shared/federated/shard-plan.ts";
import { ROW_PARAMETERS } from "../src/shared/federated/sizes.ts";
import type { Specification } from "../src/shared/federated/specification.ts";

/** GET of a path below the run; null when it is not there (any more). */
export type GetRun = (
	path: string,
	headers?: Readonly<Record<string, string>>,
) => Promise<Uint8Array<ArrayBuffer> | null>;

/** What was found of one version. `recomputed`: the same bits came out again; `kept_no_more`: what it was made of is collected, so
 *  only its place in the chain was checked. */
export interface VersionAudit {
	readonly version: number;
	readonly digest: string;
	readonly result: "recomputed" | "initial" | "rolled_back" | "kept_no_more" | "wrong";
	/** Of a wrong one: what does not agree. */
	readonly fault: string | null;
}

interface AuditedUpdate extends LinkedUpdate {
	readonly encoding: Encoding;
	readonly coefficient_bits: string;
}
interface AuditedVersion {
	readonly version: number;
	readonly digest: string;
	readonly previous: string;
	readonly link: string;
	readonly made: Link["made"] & { readonly updates?: readonly AuditedUpdate[] };
}

/** Checks a run's chain from its specification on and makes every version again of which the parts are still kept. */
export async function* auditRun(get: GetRun): AsyncGenerator<VersionAudit> {
	const { specification } = await json<{ specification: Specification }>(get, "");
	const manifest = await json<Manifest>(get, "/manifest");
	let previous = await specificationDigest({ specification, manifest });
	const digests = new Map<number, string>();
	for (let after = ""; ;) {
		const page = await json<{ data: AuditedVersion[]; has_more: boolean }>(get, `/audit?limit=20${after}`);
		for (const entry of page.data) {
			digests.set(entry.version, entry.digest);
			yield await auditVersion(get, entry, previous, manifest, specification, digests);
			previous = entry.link;
		}
		const last = page.data.at(-1);
		if (!page.has_more || !last) return;
		after = `&after=${last.version}`;
	}
}

async function auditVersion(
	get: GetRun,
	entry: AuditedVersion,
	previous: string,
	manifest: Manifest,
	specification: Specification,
	digests: ReadonlyMap<number, string>,
): Promise<VersionAudit> {
	const { version, digest, made } = entry;
	const as = (result: VersionAudit["result"], fault: string | null = null): VersionAudit => ({
		version,
		digest,
		result,
		fault,
	});
	if (entry.previous !== previous) return as("wrong", "it does not follow the version before it");
	const bases = made.kind === "flush" ? made.bases.map((base) => basePair(base)) : [];
	const link = await linkDigest({
		previous,
		version,
		versionDigest: digest,
		made: made.kind === "flush" ? { ...made, bases } : made,
	});
	if (link !== entry.link) return as("wrong", "its link is not the hash of what it says");
	if (made.kind === "initial") return as("initial");
	if (made.kind === "rollback") {
		return digests.get(made.of) === digest ? as("rolled_back") : as("wrong", `it is not version ${made.of}`);
	}
	const updates = made.updates as readonly AuditedUpdate[];
	const bits = updates.find((update) => bitsHex(update.coefficient) !== update.coefficient_bits);
	if (bits) return as("wrong", `the coefficient of ${bits.id} is not its bits`);
	const { rule, optimiser, parent, step } = made;
	const evidence = new RunEvidence(get, manifest, specification, updates);
	try {
		const plan = { version, parent, step, updates, bases, rule, optimiser };
		const again = await recomputedDigest(plan, manifest.parameters, evidence);
		if (again !== digest) return as("wrong", `its parts make ${again ?? "no finite version"}`);
		const other = await evidence.wrongUpdate();
		return other ? as("wrong", `the bytes of ${other} are not those that were committed`) : as("recomputed");
	} catch (error) {
		if (error instanceof Gone) return as("kept_no_more");
		throw error;
	}
}

/** What a version was made of, row by row from the run. */
class RunEvidence implements Evidence {
	readonly #get: GetRun;
	readonly #manifest: Manifest;
	readonly #shards: readonly ShardRange[];
	readonly #updates: ReadonlyMap<string, AuditedUpdate>;
	readonly #parts = new Map<string, PartHashes>();
	readonly #optimiserStates: readonly number[];

	constructor(get: GetRun, manifest: Manifest, specification: Specification, updates: readonly AuditedUpdate[]) {
		this.#get = get;
		this.#manifest = manifest;
		this.#shards = shardsOf(manifest.parameters, specification.shard_parameters);
		this.#updates = new Map(updates.map((update) => [update.id, update]));
		this.#optimiserStates = makeOptimiser(specification.server_optimiser).initialState;
	}

	async weights(version: number, row: number): Promise<Float32Array<ArrayBuffer>> {
		const { begin, end } = this.#rowAt(row);
		const { shard, begin: first } = this.#shards.findLast((each) => each.begin <= begin)!;
		const range = `bytes=${(begin - first) * 4}-${(end - first) * 4 - 1}`;
		return floats(await this.#read(`/versions/${version}/shards/${shard}`, { range }));
	}

	async optimiserState(version: number, row: number): Promise<readonly Float32Array[]> {
		const { begin, end } = this.#rowAt(row);
		return Promise.all(
			this.#optimiserStates.map(async (initial, array) => {
				const bytes = await this.#get(`/versions/${version}/state/${array}?row=${row}`);
				return bytes ? floats(bytes) : new Float32Array(end - begin).fill(initial);
			}),
		);
	}

	async update(id: string, row: number): Promise<Uint8Array> {
		const { encoding } = this.#updates.get(id)!;
		const bytes = await this.#read(`/updates/${id}/data?encoding=${encoding}&row=${row}`);
		let parts = this.#parts.get(id);
		if (!parts) {
			const ends = partsOf(this.#shards, encoding).map(({ end }) => end);
			this.#parts.set(id, (parts = new PartHashes(ends)));
		}
		parts.add(bytes, this.#rowAt(row).end);
		return bytes;
	}

	/** An update whose bytes are not those that the chain names; null when all are. */
	async wrongUpdate(): Promise<string | null> {
		for (const [id, { encoding, digest }] of this.#updates) {
			if ((await updateDigest(encoding, this.#parts.get(id)?.digests ?? [])) !== digest) return id;
		}
		return null;
	}

	#rowAt(row: number): { readonly begin: number; readonly end: number } {
		const begin = row * ROW_PARAMETERS;
		return rowsOf({ begin, end: Math.min(begin + ROW_PARAMETERS, this.#manifest.parameters) })[0]!;
	}

	async #read(path: string, headers?: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>> {
		const bytes = await this.#get(path, headers);
		if (!bytes) throw new Gone(path);
		return bytes;
	}
}

/** The digests of an update's parts, from its rows in order. */
class PartHashes {
	readonly digests: string[] = [];
	readonly #ends: readonly number[];
	#hash: Hash = createHash("sha256");

	constructor(ends: readonly number[]) {
		this.#ends = ends;
	}

	/** A row, which ends before parameter `end`. */
	add(bytes: Uint8Array, end: number): void {
		this.#hash.update(bytes);
		if (this.#ends[this.digests.length] !== end) return;
		this.digests.push(this.#hash.digest("hex"));
		this.#hash = createHash("sha256");
	}
}

class Gone extends Error {}

function basePair(base: unknown): readonly [version: number, coefficient: number] {
	const { version, coefficient } = base as { version: number; coefficient: number };
	return [version, coefficient];
}

function floats(bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
	return new Float32Array(bytes.slice().buffer);
}

async function json<T>(get: GetRun, path: string): Promise<T> {
	const bytes = await get(path);
	if (!bytes) throw new Error("The run is not there, or this key may not see it");
	return JSON.parse(new TextDecoder().decode(bytes)) as T;
}
