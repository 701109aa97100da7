import type { CatalogModel, CatalogSnapshot } from "../../src/shared/catalog/snapshot.ts";
import type { Amount } from "../../src/shared/ledger/messages.ts";
import type { RoutePlan } from "../../src/shared/router/route-plan.ts";
import type { AssignPolicy } from "../../src/shared/scheduler/messages.ts";
import type { RoutedRequest } from "./read-request.ts";

/** Of a request whose model a router has chosen. */
export interface ModelRoute {
	readonly plan: RoutePlan;
	readonly snapshot: CatalogSnapshot;
	/** For all of its models. */
	readonly policy: AssignPolicy;
	/** Which of the plan's models it is at. */
	readonly at: number;
	/** The first that had no place free at once; null while none has been met. */
	readonly full: number | null;
	/** No other is left to try, so that it waits for a place. */
	readonly isPatient: boolean;
}

/** A request with the model that it is to go to, before its money is reserved. */
export interface Planned {
	readonly request: RoutedRequest;
	readonly model: CatalogModel;
	readonly policy: AssignPolicy;
	readonly need: Amount;
	/** Null where the client named the model. */
	readonly route: ModelRoute | null;
}
