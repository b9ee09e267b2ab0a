// Two pictures become one, with a slider between them.
"use strict";

for (const pictures of document.querySelectorAll(".pictures[data-label]")) {
  const slider = document.createElement("input");
  Object.assign(slider, { type: "range", min: 0, max: 100, step: 1, value: 50 });
  slider.setAttribute("aria-label", pictures.dataset.label);
  const place = () => {
    pictures.style.setProperty("--split", `${slider.value}%`);
    slider.setAttribute("aria-valuetext", `${slider.value} % before`);
  };
  slider.addEventListener("input", place);
  pictures.classList.add("slides");
  pictures.append(slider);
  place();
}
