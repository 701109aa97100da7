import type { Encoding } from "../src/shared/federated/encoding.ts";
import type { Manifest } from "../src/shared/federated/manifest.ts";
import type { UpdateReport } from "../src/shared/federated/messages.ts";
import type { Specification } from "../src/shared/federated/specification.ts";
import type { IsobarError } from "../src/shared/http/errors.ts";
import type { Result } from "../src/shared/result.ts";
import type { Seconds } from "../src/shared/units.ts";
import type { GramProgress, VersionProgress } from "./shard.messages.ts";

/** What never changes of a run. */
export interface RunFacts {
	readonly id: string;
	/** Whose keys may operate it. */
	readonly tenant: string;
	readonly createdAt: Seconds;
	readonly specification: Specification;
	readonly manifest: Manifest;
}

/** The file of the initial weights as its first range told. */
export interface WeightsFileHead {
	readonly size: number;
	readonly dataOffset: number;
	/** Each file that is begun from its first byte has a number of its own, upwards from 1: rows of one do not mix with another's. */
	readonly epoch: number;
}

export interface NewInvitation {
	readonly tokenHash: string;
	readonly label: string;
	readonly uses: number;
	readonly expiresAt: Seconds;
	readonly weightCap: number | null;
}

/** A request that may be made once. */
export interface Nonce {
	readonly nonce: string;
	readonly expiresAt: Seconds;
}

export interface NewClient extends Nonce {
	readonly tokenHash: string;
	readonly publicKey: string;
	readonly name: string;
}

export interface Commit extends Nonce {
	readonly encoding: Encoding;
	/** SHA-256 of each part, in order. */
	readonly parts: readonly string[];
	readonly report: UpdateReport;
	readonly metrics: Readonly<Record<string, number>>;
}

/** What has to be known of a client to check its signature. */
export interface ClientKey {
	readonly client: string;
	readonly publicKey: string;
	readonly isExpelled: boolean;
}

export interface VersionName {
	readonly version: number;
	readonly digest: string;
}

/** An open task, for who sends its parts. */
export interface OpenUpdate {
	readonly id: string;
	readonly client: string;
	readonly round: number;
	readonly base: number;
}

/** JSON as it goes to the caller. */
export type Shown = Readonly<Record<string, unknown>>;
type Reply<T = Shown> = Promise<Result<T, IsobarError>>;

export type RunAction = "start" | "pause" | "resume" | "finish" | "cancel";

/** What the functions call. Every call may be repeated. `facts`, `client` and `version` may be remembered for a while. */
export interface RunPort {
	create(id: string, tenant: string, specification: Specification, manifest: Manifest): Reply;
	facts(): Promise<RunFacts | null>;
	show(): Reply;
	/** What a list says of it; null where there is none, or it is being deleted. */
	brief(): Promise<Shown | null>;
	change(action: RunAction): Reply;
	rollback(version: number): Reply;
	remove(): Reply;

	/** `run_state` when the run is not open any more. */
	weightsFile(): Reply<WeightsFileHead | null>;
	/** Begins a file of initial weights: what came of an earlier one counts no more. */
	beginWeightsFile(file: Omit<WeightsFileHead, "epoch">): Reply<WeightsFileHead>;

	invite(invitation: NewInvitation): Reply;
	invitations(): Reply;
	endInvitation(id: string): Reply;
	join(client: NewClient): Reply<{ readonly isNew: boolean; readonly client: Shown }>;
	client(client: string): Promise<ClientKey | null>;
	clients(after: string, limit: number): Reply;
	expel(client: string): Reply;

	task(client: string, loss: number | null, waitSeconds: Seconds): Reply;
	makeTicket(client: string, ticketHash: string, expiresAt: Seconds): Reply<null>;
	openUpdate(client: string, update: string): Reply<OpenUpdate>;
	reopen(client: string, update: string): Reply<OpenUpdate>;
	update(update: string): Reply<Shown | OpenUpdate>;
	commit(client: string, update: string, commit: Commit): Reply;

	version(name: string): Reply<VersionName>;
	versions(before: number, limit: number): Reply;
	rounds(after: number, limit: number): Reply;
	participation(after: string, limit: number): Reply;
	audit(after: number, limit: number): Reply;
	events(after: number, waitSeconds: Seconds): Reply<readonly ShownEvent[]>;

	shardSummed(version: number, attempt: number, shard: number, progress: GramProgress): Promise<void>;
	shardMade(version: number, attempt: number, shard: number, progress: VersionProgress): Promise<void>;
	/** The WebSocket of a client with a ticket. */
	fetch(request: Request): Promise<Response>;
}

export interface ShownEvent {
	readonly seq: number;
	readonly kind: string;
	/** JSON. */
	readonly data: string;
}
