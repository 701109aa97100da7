import type { Key } from "../../src/shared/catalog/keys.ts";
import type { CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import type { RequestRecord } from "../../src/shared/ledger/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";
import type { Isolate } from "./isolate.ts";
import type { Planned } from "./planned.ts";
import type { Edge } from "./schedulers.ts";

/** A request that is understood and knows its model, or the models among which it goes on; nothing is reserved for it yet. */
export interface Prepared {
	readonly id: string;
	readonly isolate: Isolate;
	readonly key: Key;
	readonly snapshot: CatalogSnapshot;
	readonly edge: Edge;
	/** Unix seconds. */
	readonly startedAt: Seconds;
	readonly planned: Planned;
	/** Of a request that is made for another; null for a client's own. */
	readonly stage: Stage | null;
	readonly beside: Beside | null;
}

/** A request that is one of several made for one answer. */
export interface Stage {
	/** The client's request. */
	readonly parent: string;
	readonly role: StageRole;
	/** Whether it may call a pool again after so many calls; it is counted as made. */
	readonly mayRetry: (calls: number) => boolean;
	/** Called once, when its record is complete; with null where it was refused and there is none. */
	readonly booked: (record: RequestRecord | null) => void;
}

/** Of a request that is made beside a client's, which sees nothing of it. */
export interface Beside {
	/** Called once, when its record is complete; with null where it was refused and there is none. */
	readonly booked: (record: RequestRecord | null) => void;
}

export type StageRole = "cheap" | "top" | "verifier" | "voter";

/** The HTTP request behind a request, or behind one that is made for it. */
export type Caller = Pick<Request, "url" | "headers" | "signal">;

/** How a request came, as far as the way to a pool needs it. */
export interface Call {
	readonly http: Caller;
	readonly hops: string;
	readonly env: Env;
	readonly ctx: ExecutionContext;
}
