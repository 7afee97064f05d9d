// The texts of the tab at the edge of Lever's page. They stand apart from `texts.js`, since a script in
// another's page imports no module; pages cannot see them.

globalThis.fulcrumTexts = {
  TAB: "Texts",
  TAB_LABEL: "Texts with this candidate, in fulcrum",
  FRAME_TITLE: "Texts with this candidate",
};
