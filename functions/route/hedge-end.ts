import type { HedgeRecord, HedgeSettlement } from "../../src/shared/ledger/messages.ts";
import type { Charge } from "../../src/shared/money/charge.ts";
import type { Hold } from "./purse.ts";

/** What is to be settled of a hedge when its request is over. */
export interface HedgeEnd {
	/** Null where none was asked for. */
	readonly record: HedgeRecord | null;
	/** What pays for it; null where it came to nothing before that. */
	readonly hold: Hold | null;
	/** The answer is the hedge's. */
	readonly won: boolean;
	/** The call that was called off. */
	readonly lost: { readonly pool: string; readonly charge: Charge } | null;
}

/** What the ledger needs to know of it; nothing where nothing was held. */
export function hedgeSettlement({ hold, won, lost }: HedgeEnd): HedgeSettlement | undefined {
	if (!hold) return undefined;
	const { pool = "", charge } = lost ?? {};
	const tokens = (charge?.promptTokens ?? 0) + (charge?.completionTokens ?? 0);
	return { lease: hold.lease, reserved: hold.amount, won, lost: { pool, nano: charge?.cost ?? 0, tokens } };
}
