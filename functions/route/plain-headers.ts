import { connectionNames } from "./connection-names.ts";

/** Headers by name, in lower case. The runtime makes its own of any kind that it is given, and of this one for the least. */
export type PlainHeaders = Record<string, string>;

/** Those of `headers` that are not dropped, without what `Connection` names. Several of one name become one. */
export function headersWithout(headers: Headers, isDropped: (name: string) => boolean): PlainHeaders {
	const kept: PlainHeaders = {};
	// Not `for of`: each turn of the runtime's iterator costs as much as five of these calls.
	headers.forEach((value, name) => {
		if (!isDropped(name)) kept[name] = value;
	});
	for (const name of connectionNames(headers)) delete kept[name];
	return kept;
}
