/** What crosses between an isolate and the router object of a tenant's router. */
import type { NanoUsd, Seconds } from "../units.ts";
import type { Gate } from "./gate.ts";
import type { OnlineView, RouterSetup } from "./online-view.ts";
import type { AnchorRow, Outcome } from "./outcome.ts";

/** A shadow request that wants to be paid for. */
export interface ShadowAsk {
	/** Chosen by the isolate; asked again it gets the same answer. */
	readonly id: string;
	/** UTC day, `2026-11-28`. */
	readonly day: string;
	readonly worst: NanoUsd;
	/** Of the day. */
	readonly budget: NanoUsd;
}

export interface ObservedCount {
	readonly model: string;
	readonly n: number;
	/** Sum of the scores. */
	readonly s: number;
}

/** What `GET /admin/routers/{id}` shows of one model in one domain. */
export interface ModelState {
	readonly model: string;
	/** Scores that its estimate rests on, by how they came about, before ageing, sources and propensities. */
	readonly explored: number;
	readonly paired: number;
	readonly anchors: number;
	/** What they are worth together. */
	readonly evidence: number;
	readonly mean: number | null;
	/** Mean less what the card expected of the same prompts. */
	readonly shift: number | null;
	readonly level: number;
	readonly standard_error: number;
	/** Against the incumbent; null for the incumbent itself. */
	readonly gate: (Omit<Gate, "standardError"> & { readonly standard_error: number }) | null;
	/** Strength in the ranking, logarithms that sum to 0. */
	readonly strength: number;
}

export interface RouterState {
	readonly revision: number;
	readonly incumbent: string | null;
	readonly labelled_prompts: number;
	readonly domains: readonly { readonly domain: string; readonly models: readonly ModelState[] }[];
	/** Scores of deterministic choices, which move nothing. */
	readonly observed: readonly ObservedCount[];
	readonly versions: readonly { readonly model: string; readonly version: string; readonly since: Seconds }[];
	readonly shadow: { readonly day: string; readonly spent_usd: number; readonly held_usd: number };
}

/** A router's object, as an isolate calls it. */
export interface RouterPort {
	tell(outcomes: readonly Outcome[]): Promise<void>;
	view(setup: RouterSetup): Promise<OnlineView>;
	state(setup: RouterSetup): Promise<RouterState>;
	/** In place of the labels before. */
	label(setup: RouterSetup, rows: readonly AnchorRow[]): Promise<void>;
	reset(): Promise<void>;
	/** Whether a shadow request may be sent; what it costs at worst is held until `shadowPaid`, or for good. */
	shadow(ask: ShadowAsk): Promise<boolean>;
	shadowPaid(id: string, nano: NanoUsd): Promise<void>;
}
