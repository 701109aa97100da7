import type { Encoding } from "./encoding.ts";
import type { RuleParameters } from "./rules/registry.ts";
import type { OptimiserParameters } from "./optimisers/registry.ts";

/** Digests of a run. All are SHA-256, in lower-case hex where they are text. */

/** Of a version: over the digests of its rows in order, each of which is over the row's f32 values, little-endian. */
export async function versionDigest(rowDigests: Uint8Array<ArrayBuffer>): Promise<string> {
	return sha256Hex(rowDigests);
}

/** Of an update: over its encoding and the digests of its parts in order, each over the bytes as they were sent. */
export async function updateDigest(encoding: Encoding, partDigests: readonly string[]): Promise<string> {
	return textDigest(["isobar update 1", encoding, ...partDigests]);
}

/** Of a run's specification and model: over their JSON with sorted names. */
export async function specificationDigest(specification: unknown): Promise<string> {
	return textDigest(["isobar specification 1", canonicalJson(specification)]);
}

/** What a link of a run's chain binds together. */
export interface Link {
	/** Of the version before; of version 0 the specification's digest. */
	readonly previous: string;
	readonly version: number;
	readonly versionDigest: string;
	readonly made:
		| { readonly kind: "initial" }
		/** A copy of that version, its optimiser's state included. */
		| { readonly kind: "rollback"; readonly of: number }
		| {
				readonly kind: "flush";
				readonly parent: number;
				readonly step: number;
				readonly rule: RuleParameters;
				readonly optimiser: OptimiserParameters;
				/** In id order. */
				readonly updates: readonly LinkedUpdate[];
				readonly bases: readonly (readonly [version: number, coefficient: number])[];
		  };
}

export interface LinkedUpdate {
	readonly id: string;
	readonly digest: string;
	/** Null where the rule works on rows. */
	readonly coefficient: number | null;
}

/** Of a version and all that led to it. Coefficients count by their bits. */
export async function linkDigest({ previous, version, versionDigest, made }: Link): Promise<string> {
	const lines = ["isobar link 1", previous, String(version), versionDigest, made.kind];
	if (made.kind === "rollback") lines.push(String(made.of));
	if (made.kind === "flush") {
		lines.push(String(made.parent), String(made.step), canonicalJson(made.rule), canonicalJson(made.optimiser));
		for (const { id, digest, coefficient } of made.updates) lines.push(`${id} ${digest} ${bitsHex(coefficient)}`);
		for (const [base, coefficient] of made.bases) lines.push(`base ${base} ${bitsHex(coefficient)}`);
	}
	return textDigest(lines);
}

/** A double as the 16 hex digits of its bits, the most significant first; `-` for none. */
export function bitsHex(value: number | null): string {
	if (value === null) return "-";
	const view = new DataView(new ArrayBuffer(8));
	view.setFloat64(0, value);
	return view.getBigUint64(0).toString(16).padStart(16, "0");
}

/** JSON without blanks, names of objects in ascending order of their code units. */
export function canonicalJson(value: unknown): string {
	if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
	if (typeof value !== "object" || value === null) return JSON.stringify(value);
	const members = Object.entries(value).filter(([, member]) => member !== undefined);
	members.sort(([a], [b]) => (a < b ? -1 : 1));
	return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`).join(",")}}`;
}

async function textDigest(lines: readonly string[]): Promise<string> {
	return sha256Hex(new TextEncoder().encode(lines.join("\n")) as Uint8Array<ArrayBuffer>);
}

async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
	const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
	return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
