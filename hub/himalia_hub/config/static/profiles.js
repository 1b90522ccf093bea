'use strict';
// The fields of a profile of the hub's configuration: the profile, what it says of itself, its options.
const profileFields = (() => {
  const { t, el } = shared;
  const OTHER = '\n'; // stands for a value of one's own; no choice is called so

  // Fields inside `place`, whose ids begin with `prefix`: `show` what is offered, `body` for a request.
  function make(place, prefix = '') {
    let offered = [];
    let slug = null;
    let options = {};
    let drawn = '';
    const profile = () => offered.find(one => one.slug === slug);

    function choose(wanted, kept = {}) {
      slug = wanted;
      options = {};
      for (const option of profile()?.options ?? []) {
        const value = kept[option.name];
        const listed = option.choices.some(choice => choice.value === value);
        const first = option.choices.find(choice => choice.default)?.value ?? OTHER;
        options[option.name] = value == null || (!listed && !option.other)
          ? { choice: first, text: '' }
          : { choice: listed ? value : OTHER, text: listed ? '' : value };
      }
      draw();
    }

    function row(id, label, control) {
      return [el('label', { for: id }, label), control];
    }

    function optionRows(option) {
      const id = `${prefix}profile_options.${option.name}`;
      const chosen = options[option.name];
      const rows = [];
      if (option.choices.length) {
        const select = el('select', { id, class: 'inp sel', on: { change: event => { chosen.choice = event.target.value; draw(); } } },
          ...option.choices.map(choice => el('option', { value: choice.value }, choice.name)),
          option.other ? el('option', { value: OTHER }, option.other.choice) : null);
        select.value = chosen.choice;
        rows.push(...row(id, option.title, select));
      }
      if (chosen.choice === OTHER && option.other) {
        const own = `${id}.own`;
        const input = el('input', { id: own, class: 'inp', maxlength: 255, required: true, spellcheck: 'false', title: option.other.message,
          on: { input: event => { chosen.text = event.target.value; } } });
        input.value = chosen.text;
        rows.push(...row(own, option.choices.length ? option.other.title : option.title, input));
        if (option.other.message) rows.push(el('span'), el('span', { class: 'muted sm' }, option.other.message));
      }
      return rows;
    }

    function draw() {
      const id = `${prefix}profile`;
      const focused = place.contains(document.activeElement) ? document.activeElement.id : '';
      const select = el('select', { id, class: 'inp sel', on: { change: event => choose(event.target.value) } },
        ...offered.map(one => el('option', { value: one.slug }, one.name)));
      if (slug !== null) select.value = slug;
      const description = profile()?.description;
      place.replaceChildren(
        ...row(id, t('start.spawn_profile'), select),
        ...(description ? [el('span'), el('span', { class: 'muted sm' }, description)] : []),
        ...(profile()?.options ?? []).flatMap(optionRows));
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    }

    // Drawn again only when what is offered has changed; what is chosen stays while it is offered.
    function show(list, kept) {
      const key = JSON.stringify(list);
      if (key === drawn) return;
      drawn = key;
      offered = list;
      place.hidden = !list.length;
      if (!list.length) {
        slug = null;
        place.replaceChildren();
        return;
      }
      const before = profile() ? { slug, options: body().profile_options } : kept;
      const found = list.find(one => one.slug === before?.slug);
      choose((found ?? list[0]).slug, found ? before.options : {});
    }

    function body() {
      if (slug === null) return {};
      const chosen = Object.entries(options).map(([name, { choice, text }]) => [name, choice === OTHER ? text : choice]);
      return { profile: slug, profile_options: Object.fromEntries(chosen) };
    }

    return { show, body };
  }

  return Object.freeze({ make });
})();
